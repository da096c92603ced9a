// Bad input: every mistake gets the code, reason, message and causes of Kubernetes, and nothing is stored.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannotRun, clusterForFile, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('bad-input')

const pod = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'a', image: 'busybox' }], ...spec },
})

/** Creates an object through kubectl, and returns what it printed on standard error. */
async function refused(manifest: object | string, how = 'create --validate=false -f -'): Promise<string> {
  const result = await cluster.tryKubectl(how, typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
  assert.notEqual(result.code, 0, `should have been refused: ${result.stdout}`)
  return result.stderr
}

/** Returns the Status with which the API itself answers. */
async function status(
  path: string,
  body: object | string,
  query = '',
): Promise<{ code: number; reason: string; message: string; details?: { causes?: object[] } }> {
  const { server } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as { server: string }
  const script = `
    d=$(mktemp -d); trap 'rm -rf $d' EXIT
    kubectl config view --raw -o jsonpath='{.users[0].user.client-certificate-data}' | base64 -d > $d/c
    kubectl config view --raw -o jsonpath='{.users[0].user.client-key-data}' | base64 -d > $d/k
    curl -sk --cert $d/c --key $d/k -H 'content-type: application/json' --data-binary @- '${server}${path}${query}'`
  const { stdout } = await run('bash', ['-c', script], {
    env: cluster.env,
    stdin: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return JSON.parse(stdout)
}

const pods = '/api/v1/namespaces/default/pods'
const deployments = '/apis/apps/v1/namespaces/default/deployments'
const services = '/api/v1/namespaces/default/services'

test('a manifest with tabs is refused with its line', options, async () => {
  assert.match(
    await refused('apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n', 'apply -f -'),
    /found character that cannot start any token/,
  )
})

test('an object in a namespace that does not exist is refused', options, async () => {
  assert.match(
    await refused({ ...pod('a'), metadata: { name: 'a', namespace: 'nowhere' } }),
    /Error from server \(NotFound\).*namespaces "nowhere" not found/s,
  )
})

test('unknown fields are refused with strict validation, and reported in a warning otherwise', options, async () => {
  const body = { ...pod('odd', { replicaz: 1 }) }
  const strict = await status(pods, body, '?fieldValidation=Strict')
  assert.deepEqual(
    { code: strict.code, reason: strict.reason, message: strict.message },
    {
      code: 400,
      reason: 'BadRequest',
      message: 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.replicaz"',
    },
  )
  assert.equal((await cluster.tryKubectl('get pod odd')).code, 1)
})

test('a value of the wrong type is refused with its field', options, async () => {
  const answer = await status(deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a' },
    spec: { replicas: 'two' },
  })
  assert.equal(answer.code, 400)
  assert.equal(
    answer.message,
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  )
})

test('missing required fields are all reported at once', options, async () => {
  const answer = await status(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: [{}] },
  })
  assert.equal(answer.code, 422)
  assert.equal(answer.reason, 'Invalid')
  assert.equal(
    answer.message,
    'Pod "a" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]',
  )
  assert.deepEqual(answer.details?.causes, [
    { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.containers[0].name' },
    { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.containers[0].image' },
  ])
})

test('a name that is not a DNS label is refused', options, async () => {
  const answer = await status(pods, pod('Not_A_Name'))
  assert.equal(answer.code, 422)
  assert.equal(
    answer.message,
    `Pod "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
  )
})

const service = (name: string, nodePort: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { type: 'NodePort', selector: { a: 'b' }, ports: [{ port: 80, nodePort }] },
})

test('a NodePort out of range, and one that is in use, is refused', options, async () => {
  const outside = await status(services, service('a', 80))
  assert.equal(
    outside.message,
    'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
  )
  await cluster.apply(service('first', 30123))
  const taken = await status(services, service('second', 30123))
  assert.equal(taken.code, 422)
  assert.equal(
    taken.message,
    'Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated',
  )
  assert.equal((await cluster.tryKubectl('get svc second')).code, 1)
})

test('a change of an immutable field is refused', options, async () => {
  const deployment = (app: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'fixed' },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app } },
      template: { metadata: { labels: { app } }, spec: { containers: [{ name: 'a', image: 'busybox' }] } },
    },
  })
  await cluster.apply(deployment('one'))
  assert.match(
    await refused(deployment('two'), 'apply -f -'),
    /The Deployment "fixed" is invalid: spec\.selector: Invalid value: .*field is immutable/,
  )
  assert.equal(await cluster.kubectl(`get deploy fixed -o jsonpath='{.spec.selector.matchLabels.app}'`), 'one')
})

test('a selector that does not match its template is refused', options, async () => {
  const answer = await status(deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a' },
    spec: {
      selector: { matchLabels: { app: 'x' } },
      template: { metadata: { labels: { app: 'y' } }, spec: { containers: [{ name: 'a', image: 'b' }] } },
    },
  })
  assert.equal(
    answer.message,
    'Deployment.apps "a" is invalid: spec.template.metadata.labels: Invalid value: {"app":"y"}: `selector` does not match template `labels`',
  )
})

test('a second object of the same name, and a write with an old version, is a conflict', options, async () => {
  await cluster.kubectl('create configmap twice --from-literal=a=1')
  assert.match(
    await refused({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'twice' } }),
    /Error from server \(AlreadyExists\).*configmaps "twice" already exists/s,
  )
  const old = JSON.parse(await cluster.kubectl('get configmap twice -o json'))
  await cluster.kubectl('label configmap twice x=y')
  assert.match(
    await refused({ ...old, data: { a: '2' } }, 'replace -f -'),
    /the object has been modified; please apply your changes to the latest version and try again/,
  )
  assert.equal(await cluster.kubectl(`get configmap twice -o jsonpath='{.data.a}'`), '1')
})

test(
  'a body that is not JSON, a body that is too large, and a patch that does not apply are refused',
  options,
  async () => {
    assert.equal((await status(pods, '{"kind": ')).code, 400)
    assert.equal((await status(pods, pod('big', { hostname: 'x'.repeat(3 * 1024 * 1024) }))).code, 413)
    assert.match(
      await refused('', `patch configmap twice --type=json -p '[{"op":"remove","path":"/nothing"}]'`),
      /The request is invalid|server rejected our request/,
    )
  },
)
