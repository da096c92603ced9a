// Drafts src/kubelet/cri/definition.ts from a JSON file of gRPC facts (services, messages, field numbers, enums), so
// that a new CRI version is a new draft and a look at the difference. Usage: tools/node tools/draft-cri.ts FACTS.json
import { readFileSync } from 'node:fs'

interface Facts {
  messages: Record<string, Record<string, { n: number; type: string; repeated?: boolean }>>
  enums: Record<string, Record<string, number>>
  services: Record<string, Record<string, { request: string; response: string }>>
}

// What a Linux kubelet calls; the rest of the interface is left out until something needs it.
const wanted: Record<string, string[]> = {
  RuntimeService: [
    'Version Status RuntimeConfig UpdateRuntimeConfig',
    'RunPodSandbox StopPodSandbox RemovePodSandbox PodSandboxStatus ListPodSandbox',
    'CreateContainer StartContainer StopContainer RemoveContainer ListContainers ContainerStatus',
    'UpdateContainerResources ReopenContainerLog ExecSync Exec Attach PortForward',
    'ContainerStats ListContainerStats PodSandboxStats ListPodSandboxStats',
  ],
  ImageService: ['ListImages ImageStatus PullImage RemoveImage ImageFsInfo'],
}

const facts = (JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Record<string, Facts>)['runtime.v1']!
const messages = new Set<string>()
const enums = new Set<string>()
for (const [service, lines] of Object.entries(wanted)) {
  const methods = methodsOf(lines)
  for (const method of methods) {
    const { request, response } = facts.services[service]![method]!
    follow(request)
    follow(response)
  }
}
process.stdout.write(draft())

function methodsOf(groups: string[]): string[] {
  return groups.flatMap(group => group.split(' '))
}

function follow(name: string): void {
  if (messages.has(name)) return
  messages.add(name)
  for (const { type } of fieldsOf(name)) {
    if (facts.messages[type]) follow(type)
    else if (facts.enums[type] ?? facts.enums[`SecurityProfile.${type}`]) enums.add(type)
  }
}

function fieldsOf(message: string): { name: string; n: number; type: string; repeated?: boolean }[] {
  return Object.entries(facts.messages[message]!)
    .map(([name, field]) => ({ name: camel(name), ...field }))
    .filter(field => !field.type.startsWith('Windows'))
}

function typeOf(message: string, field: { name: string; type: string }): string {
  // The same on the wire, and an environment variable's value is a string everywhere else in Kubernetes.
  if (message === 'KeyValue' && field.name === 'value') return 'string'
  return field.type === 'map<string,string>' ? 'map' : field.type
}

// As protobuf's JSON mapping names fields: cgroup_parent is cgroupParent.
function camel(name: string): string {
  return name.replace(/^CDI_/, 'cdi_').replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function draft(): string {
  const lines = [
    '// The Container Runtime Interface, version 1: what the kubelet asks of containerd, as field numbers and names.',
    '// Drafted by tools/draft-cri.ts. Source: k8s.io/cri-api, runtime/v1; comments on fields are there.',
    '',
    'export const enums = {',
  ]
  for (const name of Object.keys(facts.enums).map(n => n.replace('SecurityProfile.', ''))) {
    if (!enums.has(name)) continue
    const values = facts.enums[name] ?? facts.enums[`SecurityProfile.${name}`]!
    const names = Object.keys(values)
    if (names.some((key, index) => values[key] !== index)) throw new Error(`enum ${name} is not numbered from 0`)
    lines.push(`${name}: '${names.join(' ')}',`)
  }
  lines.push('} as const', '', 'export const messages = {')
  for (const name of Object.keys(facts.messages)) {
    if (!messages.has(name)) continue
    const fields = fieldsOf(name).map(field => {
      const type = typeOf(name, field)
      return `${field.name}: '${type}${field.repeated ? '[]' : ''} = ${field.n}'`
    })
    lines.push(`${name}: { ${fields.join(', ')} },`)
  }
  lines.push('} as const', '', '/** Method → `Request Response`. */', 'export const services = {')
  for (const [service, groups] of Object.entries(wanted)) {
    const methods = methodsOf(groups)
    lines.push(`${service}: {`)
    for (const method of methods) {
      const { request, response } = facts.services[service]![method]!
      lines.push(`${method[0]!.toLowerCase()}${method.slice(1)}: '${request} ${response}',`)
    }
    lines.push('},')
  }
  lines.push('} as const')
  return `${lines.join('\n')}\n`
}
