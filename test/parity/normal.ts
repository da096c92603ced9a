// Answers without what changes from run to run: uids, revisions, times, addresses and generated names become
// placeholders, so that two servers can be compared word for word.
import { parse } from 'yaml'
import type { Json, JsonObject } from '../../src/api/schema/node.ts'
import { exactJson, isExactNumber, type RecordedAnswer, type Step } from './corpus.ts'
import type { Answer } from './server.ts'

const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g
const wholeUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const time = /\b2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g
const pem = /-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----\n?/g
const jwt = /\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+/g
const ipv4 = /\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/g
const wholeIpv4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/
const age = /^(\d+[smhdy])+$/
const volatileTexts: readonly (readonly [RegExp, string])[] = [
  [/(too old resource version: \d+ )\(\d+\)/g, '$1(<rv>)'],
  [/(current: )\d+/g, '$1<rv>'],
  [/(kube-api-access-)[a-z0-9]{5}\b/g, '$1<rand>'],
  [/(resourceVersion\\*":\s*\\*")\d+/g, '$1<rv>'],
  [/(\?hash=)[0-9A-Fa-f]+/g, '$1<hash>'],
  [/:3[0-2]\d{3}\//g, ':<nodePort>/'],
]
/** Managers that write a moment after the request, or not. */
const background =
  /^(kube-controller-manager|kube-scheduler|kubelet|kutter.*|.*-controller|api-priority-and-fairness-config-consumer-v1|validatingadmissionpolicy-status.*)$/
const generated = /"generateName":"([^"]+)"/g

/** Replaces what is volatile in the answers of one conversation. */
export class Normal {
  /** Everything the client has sent so far: what stands there is not volatile. */
  sent = ''
  readonly #swap: [string, string][]
  readonly #random = new Map<string, string>()

  constructor(variables: Readonly<Record<string, string>>, server: string) {
    const own: [string, string][] = []
    for (const name of ['ns', 'u']) if (variables[name]) own.push([variables[name], `<${name.toUpperCase()}>`])
    own.sort(([a], [b]) => b.length - a.length)
    this.#swap = [...own, [server, '<server>']]
  }

  answer(step: Step, { status, headers, body }: Answer): RecordedAnswer {
    const type = headers['content-type']?.[0] ?? ''
    const out: RecordedAnswer = { s: status }
    if (type) out.ct = type
    if (headers.warning?.length) out.w = headers.warning.map(text => this.text(text))
    for (const name of step.keep ?? []) {
      out.h ??= {}
      out.h[name] = this.text(headers[name.toLowerCase()]?.[0] ?? '')
    }
    if (step.brief && status >= 200 && status < 300) return out
    return { ...out, ...this.#body(step, status, type.split(';')[0]!.trim(), body) }
  }

  #body(step: Step, status: number, type: string, body: Buffer): Pick<RecordedAnswer, 'b' | 't'> {
    const asText = () => ({ t: this.text(body.toString()) })
    if (step.watch && status === 200 && type.includes('json')) return { b: this.#events(step, body.toString()) }
    if (type.includes('json') || (!type && body[0] === 0x7b)) {
      try {
        return { b: this.#document(step, status, exactJson(body.toString())) }
      } catch {
        return asText()
      }
    }
    if (type.includes('yaml')) {
      try {
        return { b: this.value(parse(body.toString(), { version: '1.1' }) as Json) }
      } catch {
        return asText()
      }
    }
    if (type.includes('protobuf')) return { t: body.subarray(0, 4).toString('hex') }
    if (!body.length) return {}
    const { t } = asText()
    return { t: step.lines ? t.split('\n').sort().join('\n') : t }
  }

  #document(step: Step, status: number, document: Json): Json {
    for (const path of step.drop ?? []) drop(document, path)
    if (step.pick && status < 300) {
      return Object.fromEntries(
        step.pick.map(path => [path, this.value(dig(document, path), path.slice(path.lastIndexOf('.') + 1))]),
      )
    }
    const out = this.value(document)
    if (status < 300)
      for (const path of step.sort ?? []) {
        const list = dig(out, path)
        if (Array.isArray(list)) sortBy(list, sortedJson)
      }
    return out
  }

  #events(step: Step, text: string): Json[] {
    const events: Json[] = []
    for (const line of text.split('\n')) {
      if (!line.trim()) continue
      let event: Json
      try {
        event = exactJson(line)
      } catch {
        events.push(line)
        continue
      }
      const annotations = dig(event, 'object.metadata.annotations')
      const endsInitial = isObject(annotations) && 'k8s.io/initial-events-end' in annotations
      if (isObject(event) && event.type === 'BOOKMARK' && !endsInitial) continue
      for (const path of step.drop ?? []) drop(event, path)
      events.push(this.value(event))
    }
    return events
  }

  text(source: string): string {
    let out = source
    for (const [from, to] of [...this.#swap, ...this.#random]) if (out.includes(from)) out = out.replaceAll(from, to)
    if (out.length < 6) return out
    if (this.sent.includes('"generateName"'))
      for (const [, name = ''] of this.sent.matchAll(generated)) {
        const prefix = name.slice(0, 58)
        if (out.includes(prefix))
          out = out.replace(
            new RegExp(`${prefix.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}[a-z0-9]{5}(?![a-z0-9])`, 'g'),
            () => `${prefix}<rand>`,
          )
      }
    const unlessSent = (placeholder: string) => (found: string) => (this.sent.includes(found) ? found : placeholder)
    out = out.replace(pem, '<pem>').replace(uuid, unlessSent('<uid>')).replace(time, unlessSent('<time>'))
    out = out.replace(jwt, '<jwt>')
    for (const [pattern, to] of volatileTexts) out = out.replace(pattern, to)
    return out
  }

  value(value: Json | undefined, key?: string): Json {
    if (value === undefined) return null
    if (Array.isArray(value)) return this.#list(value, key)
    if (isObject(value)) return this.#object(value)
    if (typeof value === 'string') return this.#string(value, key)
    const port = key === 'nodePort' || key === 'healthCheckNodePort'
    return port && typeof value === 'number' && value && !this.sent.includes(String(value)) ? '<nodePort>' : value
  }

  #list(list: Json[], key: string | undefined): Json {
    if (key === 'managedFields') {
      const kept = list.filter(entry => !(isObject(entry) && background.test(String(entry.manager))))
      const fields = ['manager', 'operation', 'subresource', 'apiVersion', 'time']
      const order = (entry: Json) => (isObject(entry) ? JSON.stringify(fields.map(f => entry[f] ?? null)) : '')
      return sortBy(
        kept.map(entry => this.value(entry)),
        order,
      )
    }
    if (key === 'causes')
      return sortBy(
        list.map(entry => this.value(entry)),
        sortedJson,
      )
    if (key === 'cells') return list.map(cell => this.#cell(cell))
    return list.map(entry => this.value(entry, key === 'clusterIPs' ? key : undefined))
  }

  #string(value: string, key: string | undefined): string {
    switch (key) {
      case 'uid':
        if (value) return wholeUuid.test(value) && !this.sent.includes(value) ? '<uid>' : this.text(value)
        break
      case 'resourceVersion':
        if (value) return /^\d+$/.test(value) ? '<rv>' : this.text(value)
        break
      case 'continue':
        if (value) return '<continue>'
        break
      case 'clusterIP':
      case 'clusterIPs':
        if ((wholeIpv4.test(value) || value.includes(':')) && !this.sent.includes(value)) return '<ip>'
        break
      case 'hash':
      case 'identity':
      case 'digest':
        if (value.length > 20) return '<hash>'
    }
    return this.text(value)
  }

  #cell(cell: Json): Json {
    if (typeof cell !== 'string') return this.value(cell)
    if (age.test(cell)) return '<age>'
    return this.text(cell).replace(ipv4, found => (this.sent.includes(found) ? found : '<ip>'))
  }

  #object(object: JsonObject): JsonObject {
    const columns = object.columnDefinitions
    // How a column is described is everybody's own.
    const source = Array.isArray(columns)
      ? { ...object, columnDefinitions: columns.map(c => (isObject(c) ? without(c, 'description') : c)) }
      : object
    const { generateName, name } = source
    if (typeof generateName === 'string' && typeof name === 'string' && generateName)
      if (name.startsWith(generateName) && name.length > generateName.length)
        this.#random.set(name, `${this.text(generateName)}<rand>`)
    return Object.fromEntries(Object.entries(source).map(([key, value]) => [this.text(key), this.value(value, key)]))
  }
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value)

const without = (object: JsonObject, field: string): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key]) => key !== field))

function sortBy(list: Json[], key: (value: Json) => string): Json[] {
  const keyed = list.map(value => ({ value, key: key(value) }))
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  list.splice(0, list.length, ...keyed.map(entry => entry.value))
  return list
}

/** JSON with the keys of objects in order. */
export function sortedJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const entries = Object.keys(value)
    .sort()
    .map(key => `${JSON.stringify(key)}:${sortedJson(value[key]!)}`)
  return `{${entries.join(',')}}`
}

/** What stands at a dotted path; '' where nothing does. */
export function dig(value: Json, path: string): Json {
  let at: Json | undefined = value
  for (const part of path.split('.')) {
    at = Array.isArray(at) ? at[Number(part)] : isObject(at) ? at[part] : undefined
    if (at === undefined) return ''
  }
  return at
}

/** Removes a dotted path; `*` is every item of a list or value of an object. */
function drop(value: Json, path: string): void {
  const [head = '', ...more] = path.split('.')
  const rest = more.join('.')
  if (Array.isArray(value)) {
    if (rest) value.forEach((entry, i) => (head === '*' || head === String(i) ? drop(entry, rest) : undefined))
  } else if (isObject(value)) {
    if (head === '*') {
      if (rest) for (const entry of Object.values(value)) drop(entry, rest)
    } else if (head in value) {
      if (rest) drop(value[head]!, rest)
      else delete value[head]
    }
  }
}
