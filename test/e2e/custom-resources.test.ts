// Custom resources with real kubectl: defined, explained, written, printed, scaled, watched, and gone with their
// definition; and an operator in a pod's place, which keeps a Deployment for each of them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('custom', ['busybox'])
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'crontabs.stable.example.com' },
  spec: {
    group: 'stable.example.com',
    scope: 'Namespaced',
    names: { plural: 'crontabs', singular: 'crontab', kind: 'CronTab', shortNames: ['ct'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        additionalPrinterColumns: [
          { name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' },
          { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
          { name: 'Image', type: 'string', jsonPath: '.spec.image', priority: 1 },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        selectableFields: [{ jsonPath: '.spec.image' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description: 'CronTab runs an image at the times of its spec.',
            properties: {
              spec: {
                type: 'object',
                required: ['cronSpec'],
                'x-kubernetes-validations': [
                  {
                    rule: 'self.replicas <= 5 || self.image != "small"',
                    message: 'small images have at most 5 replicas',
                  },
                ],
                properties: {
                  cronSpec: { type: 'string', description: 'When it runs.', pattern: '^(\\S+\\s+){4}\\S+$' },
                  image: { type: 'string', default: 'small' },
                  replicas: { type: 'integer', minimum: 0, maximum: 10, default: 1 },
                },
              },
              status: { type: 'object', properties: { replicas: { type: 'integer' } } },
            },
          },
        },
      },
    ],
  },
}
const cronTab = (name: string, spec: object) => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name },
  spec: { cronSpec: '* * * * */5', ...spec },
})

test('a definition is established, and its resource is in discovery and explained', options, async () => {
  await cluster.apply(definition)
  await k('wait crd/crontabs.stable.example.com --for=condition=Established --timeout=30s')
  assert.match(
    await k('api-resources --api-group=stable.example.com'),
    /crontabs +ct +stable\.example\.com\/v1 +true +CronTab/,
  )
  const explained = await k('explain crontab.spec')
  assert.match(explained, /cronSpec\s+<string>.*required/)
  assert.match(explained, /When it runs\./)
})

test('objects are written, checked, printed and selected', options, async () => {
  await cluster.apply(cronTab('one', {}))
  await cluster.apply(cronTab('two', { image: 'large', replicas: 2 }))
  const table = await k('get ct -o wide')
  assert.match(table, /NAME +SPEC +REPLICAS +IMAGE +AGE\n/)
  assert.match(table, /one +\* \* \* \* \*\/5 +1 +small +\d+s\n/)
  assert.match(await k('get ct --field-selector spec.image=large -o name'), /^crontab\.stable\.example\.com\/two\n$/)
  const refused = async (spec: object) => {
    const { code, stderr } = await cluster.tryKubectl('apply -f -', JSON.stringify(cronTab('one', spec)))
    assert.notEqual(code, 0)
    return stderr
  }
  assert.match(
    await refused({ cronSpec: 'now' }),
    /spec\.cronSpec: Invalid value: "now": spec\.cronSpec in body should match/,
  )
  assert.match(await refused({ replicas: 7 }), /spec: Invalid value: "object": small images have at most 5 replicas/)
})

test('kubectl scales, patches and applies them', options, async () => {
  await k('scale ct one --replicas=3')
  assert.equal(await k("get ct one -o jsonpath='{.spec.replicas} {.metadata.generation}'"), '3 2')
  await k(`patch ct one --type=merge -p '{"spec":{"image":"large"}}'`)
  await k(`patch ct one --subresource=status --type=merge -p '{"status":{"replicas":3}}'`)
  assert.equal(await k("get ct one -o jsonpath='{.spec.image} {.status.replicas} {.metadata.generation}'"), 'large 3 3')
  await k('apply --server-side --force-conflicts -f -', JSON.stringify(cronTab('one', { replicas: 4 })))
  assert.equal(await k("get ct one -o jsonpath='{.spec.replicas}'"), '4')
  await k('wait ct/one --for=jsonpath={.status.replicas}=3 --timeout=10s')
})

test('an operator keeps a Deployment for each, which goes with it', options, async () => {
  // kubectl is the client of this operator: it watches, and applies a Deployment with an owner for each object.
  const operator = spawn(
    'bash',
    [
      '-c',
      `kubectl get ct -w --no-headers -o custom-columns=N:.metadata.name,U:.metadata.uid,R:.spec.replicas | while read -r name uid replicas; do
         kubectl get ct "$name" >/dev/null 2>&1 || continue
         printf '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"%s","ownerReferences":[{"apiVersion":"stable.example.com/v1","kind":"CronTab","name":"%s","uid":"%s"}]},"spec":{"replicas":%s,"selector":{"matchLabels":{"ct":"%s"}},"template":{"metadata":{"labels":{"ct":"%s"}},"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c","image":"busybox","imagePullPolicy":"IfNotPresent","command":["sleep","3600"]}]}}}}' "$name" "$name" "$uid" "$replicas" "$name" "$name" | kubectl apply -f - >/dev/null
       done`,
    ],
    { env: { ...process.env, ...cluster.env }, detached: true, stdio: 'ignore' },
  )
  try {
    await cluster.apply(cronTab('run', { replicas: 2 }))
    const ready = () => k("get deploy run --ignore-not-found -o jsonpath='{.status.readyReplicas}'")
    await eventually('two pods run', async () => (await ready()) === '2')
    await k('scale ct run --replicas=1')
    await eventually('one pod runs', async () => (await ready()) === '1')
    await k('delete ct run')
    await eventually('the Deployment is gone', async () => (await k('get deploy run --ignore-not-found')) === '')
  } finally {
    process.kill(-operator.pid!, 'SIGKILL')
  }
})

test('a definition that is deleted takes its objects and its resource with it', options, async () => {
  await k('delete crd crontabs.stable.example.com')
  const { stderr } = await cluster.tryKubectl('get ct')
  assert.match(stderr, /doesn't have a resource type "ct"|the server could not find the requested resource/)
  await cluster.apply(definition)
  await k('wait crd/crontabs.stable.example.com --for=condition=Established --timeout=30s')
  assert.equal(await k('get ct -o name'), '')
})
