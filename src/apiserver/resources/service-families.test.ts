// Which families a Service gets, as a table: what it asks for, what it had, what the cluster has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mutable } from '../../api/schema/node.ts'
import { Service } from '../../kinds/core/service.ts'
import { objectOf } from '../../kinds/testing.ts'
import { chooseFamilies } from './service-families.ts'

type Spec = Mutable<Service>['spec']
const specOf = (spec: object) =>
  structuredClone(objectOf(Service, { metadata: { name: 's' }, spec: { selector: { a: 'b' }, ...spec } }).spec) as Spec

const [four, six, dual, sixFirst] = [['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']] as ('IPv4' | 'IPv6')[][]
const [a4, a6] = ['10.96.0.9', 'fd00:10:96::9']
const pair = { clusterIP: a4, clusterIPs: [a4, a6], ipFamilies: dual! }
const headless = { clusterIP: 'None', clusterIPs: ['None'], selector: {} }
const toRelease = (what: string) => `spec.ipFamilyPolicy: must be 'SingleStack' to release the secondary ${what}`
const several = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"

interface Case {
  what: string
  spec: object
  old?: object
  cluster?: ('IPv4' | 'IPv6')[] | undefined
  /** Families and policy, or a problem. */
  gives: [families: readonly string[] | undefined, policy: string] | string
}

const cases: Case[] = [
  { what: 'nothing asked for', spec: {}, gives: [four, 'SingleStack'] },
  { what: 'nothing asked for, IPv6 first', spec: {}, cluster: sixFirst, gives: [six, 'SingleStack'] },
  { what: 'the other family', spec: { ipFamilies: six }, gives: [six, 'SingleStack'] },
  { what: 'an address', spec: { clusterIP: a6, clusterIPs: [a6] }, gives: [six, 'SingleStack'] },
  { what: 'both preferred', spec: { ipFamilyPolicy: 'PreferDualStack' }, gives: [dual, 'PreferDualStack'] },
  {
    what: 'both preferred, the second first',
    spec: { ipFamilyPolicy: 'PreferDualStack', ipFamilies: six },
    gives: [sixFirst, 'PreferDualStack'],
  },
  {
    what: 'both preferred by a cluster of one',
    spec: { ipFamilyPolicy: 'PreferDualStack' },
    cluster: six,
    gives: [six, 'PreferDualStack'],
  },
  {
    what: 'both required of a cluster of one',
    spec: { ipFamilyPolicy: 'RequireDualStack' },
    cluster: four,
    gives: 'spec.ipFamilyPolicy: this cluster is not configured for dual-stack services',
  },
  {
    what: 'a family that is not there',
    spec: { ipFamilies: six },
    cluster: four,
    gives: 'spec.ipFamilies[0]: not configured on this cluster',
  },
  {
    what: 'an address of a family that is not there',
    spec: { clusterIP: a6, clusterIPs: [a6] },
    cluster: four,
    gives: 'spec.clusterIPs[0]: IPv6 is not configured on this cluster',
  },
  {
    what: 'two families without a policy',
    spec: { ipFamilies: dual },
    gives: `spec.ipFamilyPolicy: ${several} IP families are specified`,
  },
  { what: 'headless with own endpoints', spec: headless, cluster: four, gives: [dual, 'RequireDualStack'] },
  { what: 'headless with a selector', spec: { ...headless, selector: { a: 'b' } }, gives: [four, 'SingleStack'] },
  {
    what: 'a second family added',
    spec: { clusterIP: a4, clusterIPs: [a4], ipFamilies: four, ipFamilyPolicy: 'PreferDualStack' },
    old: { clusterIP: a4, clusterIPs: [a4], ipFamilies: four, ipFamilyPolicy: 'SingleStack' },
    gives: [dual, 'PreferDualStack'],
  },
  {
    what: 'not added because the cluster has changed',
    spec: { clusterIP: a4, clusterIPs: [a4], ipFamilies: four, ipFamilyPolicy: 'PreferDualStack' },
    old: { clusterIP: a4, clusterIPs: [a4], ipFamilies: four, ipFamilyPolicy: 'PreferDualStack' },
    gives: [four, 'PreferDualStack'],
  },
  {
    what: 'the second given up',
    spec: { ...pair, ipFamilyPolicy: 'SingleStack' },
    old: { ...pair, ipFamilyPolicy: 'PreferDualStack' },
    gives: [four, 'SingleStack'],
  },
  {
    what: 'the second address left out, and no policy for it',
    spec: { ...pair, clusterIPs: [a4], ipFamilyPolicy: 'RequireDualStack' },
    old: { ...pair, ipFamilyPolicy: 'RequireDualStack' },
    gives: toRelease('cluster IP'),
  },
  {
    what: 'the second family left out, and no policy for it',
    spec: { ...pair, ipFamilies: four, ipFamilyPolicy: 'RequireDualStack' },
    old: { ...pair, ipFamilyPolicy: 'RequireDualStack' },
    gives: toRelease('IP family'),
  },
  {
    what: 'an update without a policy',
    spec: pair,
    old: { ...pair, ipFamilyPolicy: 'RequireDualStack' },
    gives: [dual, 'RequireDualStack'],
  },
]

for (const { what, spec, old, cluster = dual, gives } of cases)
  test(`families: ${what}`, () => {
    const changed = specOf(spec)
    const problems = [...chooseFamilies(changed, old && specOf(old), cluster!)]
    const text = problems.map(({ field, body }) => `${field}: ${body}`).join('; ')
    if (typeof gives === 'string') assert.equal(text.replace(/Invalid value: .*: (?=[a-zI])/, ''), gives)
    else assert.deepEqual([text, changed.ipFamilies, changed.ipFamilyPolicy], ['', ...gives])
  })
