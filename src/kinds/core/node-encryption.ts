// The key with which a node takes part in the encryption between nodes, in an annotation of its Node, which the node
// writes itself.
import type { Node } from './node.ts'

/** The UDP port and the public key of WireGuard, such as `51820 xTIB…Sg=`. */
export const encryptionAnnotation = 'kutter.dev/wireguard'

export interface NodeKey {
  port: number
  /** Base64 of the 32 bytes of an X25519 key. */
  publicKey: string
}

export const encryptionText = ({ port, publicKey }: NodeKey): string => `${port} ${publicKey}`

/** The key of a node; undefined when it has none. */
export function encryptionOf({ metadata }: Node): NodeKey | undefined {
  const [, port, publicKey] =
    /^(\d{1,5}) ([A-Za-z0-9+/]{43}=)$/.exec(metadata.annotations?.[encryptionAnnotation] ?? '') ?? []
  return port && publicKey && Number(port) > 0 && Number(port) < 65_536 ? { port: Number(port), publicKey } : undefined
}
