// The networks that a node is on, in an annotation of its Node, which the node writes itself. Nodes that share one reach
// each other without a router, and an address of a network can be announced only by nodes that are on it.
import { type Cidr, parseCidr } from '../../api/ip.ts'
import type { Node } from './node.ts'

/** Ranges such as `192.0.2.0/24`, separated by commas. */
export const networksAnnotation = 'kutter.dev/networks'
/** The most networks of a node that count. */
export const maxNetworks = 32

/** The networks of a node; undefined when it says nothing of them. What is no range is passed over. */
export const networksOf = ({ metadata }: Node): Cidr[] | undefined =>
  metadata.annotations?.[networksAnnotation]
    ?.split(',')
    .slice(0, maxNetworks)
    .flatMap(text => parseCidr(text) ?? [])
