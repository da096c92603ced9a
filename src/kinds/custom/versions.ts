// The versions of a custom resource. Objects are stored in the version that was the storage version when they were
// written, and are read in the requested version. The schemas of both apply: fields that a schema does not have any
// more are pruned, and new defaults are set.
//
//   stored object ─► decoded and defaulted by its version ─► converted ─► pruned by the version that is asked for
//
// Source: apiextensions-apiserver pkg/apiserver (customresource_handler.go, conversion).
import { sameJson } from '../../api/equal.ts'
import { apiVersionOf, asObject, type KindVersions, type KubeObject, parseApiVersion } from '../../api/kind.ts'
import type { Codec, Mutable } from '../../api/schema/node.ts'
import type { CustomResourceDefinition } from '../apiextensions/customresourcedefinition.ts'
import { customCodec } from './codec.ts'
import { shapeOf } from './shape.ts'

/** Converts objects of a definition to another version by its webhook. The order is kept. Throws StatusError. */
export type Convert = (
  definition: CustomResourceDefinition,
  objects: readonly KubeObject[],
  apiVersion: string,
) => Promise<readonly KubeObject[]>

export function customVersions(definition: CustomResourceDefinition, version: string, convert: Convert): KindVersions {
  const { group, versions, conversion } = definition.spec
  const codecs = new Map<string, Codec>(
    versions.map(({ name, schema }) => [name, customCodec(() => shapeOf(schema?.openAPIV3Schema ?? {}))]),
  )
  const own = apiVersionOf(group, version)
  const storage = apiVersionOf(group, versions.find(one => one.storage)?.name ?? version)
  const byWebhook = conversion?.strategy === 'Webhook'
  const decoded = (object: KubeObject, defaults: boolean): Mutable<KubeObject> => {
    const codec = codecs.get(parseApiVersion(object.apiVersion).version)
    return asObject(codec ? codec(object, { defaults }) : object)
  }
  /** Returns objects in another version. Those that are in that version already are not sent to the webhook. */
  const converted = (
    objects: readonly Mutable<KubeObject>[],
    to: string,
  ): readonly KubeObject[] | Promise<readonly KubeObject[]> => {
    if (!byWebhook) return objects.map(object => (object.apiVersion === to ? object : { ...object, apiVersion: to }))
    const others = objects.filter(object => object.apiVersion !== to)
    if (!others.length) return objects
    return convert(definition, others, to).then(results => {
      const left = [...results]
      return objects.map(object => (object.apiVersion === to ? object : left.shift()!))
    })
  }
  const shown = (object: KubeObject, stored: KubeObject): KubeObject => {
    const result = stored.apiVersion === own ? object : decoded(object, false)
    return sameJson(result, stored) ? stored : result
  }
  return {
    fromStored(objects) {
      const results = converted(
        objects.map(object => decoded(object, true)),
        own,
      )
      const finish = (list: readonly KubeObject[]) => list.map((object, i) => shown(object, objects[i]!))
      return results instanceof Promise ? results.then(finish) : finish(results)
    },
    toStored(object) {
      if (own === storage) return object
      const results = converted([object], storage)
      const finish = (list: readonly KubeObject[]) => decoded(list[0]!, false)
      return results instanceof Promise ? results.then(finish) : finish(results)
    },
  }
}
