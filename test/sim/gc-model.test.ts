// Random graphs of owners, from which objects are deleted one by one with each policy. What stays, and which references
// it keeps, is compared with a model of a few lines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Secret } from '../../src/kinds/core/secret.ts'
import { ref, simulate } from './cluster.ts'

const policies = ['Background', 'Foreground', 'Orphan'] as const
const namespace = 'default'

/** The owners of each object that exists. */
type Model = Map<string, Set<string>>

function deleteFrom(model: Model, name: string, orphan: boolean): void {
  model.delete(name)
  for (const [dependent, owners] of model) {
    if (!owners.delete(name) || orphan || owners.size) continue
    deleteFrom(model, dependent, false)
  }
}

for (let seed = 1; seed <= 8; seed++)
  test(`what a deletion leaves is what the model leaves, with seed ${seed}`, () =>
    simulate({ nodes: 0, scheduler: false }, async ({ client, until, clock }) => {
      const chance = seededRandom(seed)
      const model: Model = new Map()
      const made = new Map<string, ConfigMap | Secret>()
      for (let i = 0; i < 14; i++) {
        const name = `o${i}`
        const candidates = [...made.values()]
        const owners = candidates.filter(() => chance.float() < 1.6 / Math.max(2, candidates.length))
        const metadata = {
          name,
          namespace,
          ownerReferences: owners.map(owner => ({
            apiVersion: 'v1',
            kind: owner.kind,
            name: owner.metadata.name!,
            uid: owner.metadata.uid!,
            blockOwnerDeletion: chance.float() < 0.5,
          })),
        }
        const object =
          chance.float() < 0.5
            ? await client.create(ConfigMap, { metadata })
            : await client.create(Secret, { metadata })
        made.set(name, object)
        model.set(name, new Set(owners.map(owner => owner.metadata.name!)))
      }
      const actual = () =>
        [...client.mirror(ConfigMap).list(namespace), ...client.mirror(Secret).list(namespace)]
          .filter(object => made.has(object.metadata.name!))
          .map(({ metadata }) => [metadata.name!, (metadata.ownerReferences ?? []).map(o => o.name).sort()] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1))
      const expected = () =>
        [...model].map(([name, owners]) => [name, [...owners].sort()] as const).sort(([a], [b]) => (a < b ? -1 : 1))
      await until('the mirrors', () => actual().length === made.size)
      while (model.size > 3) {
        const name = [...model.keys()][Math.floor(chance.float() * model.size)]!
        const policy = policies[Math.floor(chance.float() * 3)]!
        const object = made.get(name)!
        await client.delete(object.kind === 'Secret' ? Secret : ConfigMap, ref(object), { propagationPolicy: policy })
        deleteFrom(model, name, policy === 'Orphan')
        await clock.forward(5000)
        await clock.forward(60_000)
        assert.deepEqual(actual(), expected(), `after ${policy} deletion of ${name}`)
      }
    }))
