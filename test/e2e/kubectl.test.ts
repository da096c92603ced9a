// Using a cluster through kubectl: reading, writing, streaming, rollouts, draining.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('kubectl', ['busybox', 'myapp', 'nginx'])
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)

const web = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'myapp', image: 'myapp:v1', ports: [{ containerPort: 8080 }] }],
      },
    },
  },
}

test('kubectl applies, gets in every output format, and describes with events', options, async () => {
  assert.equal(await cluster.apply(web), 'deployment.apps/web created\n')
  await k('rollout status deploy/web --timeout=60s')
  const table = await k('get deploy web')
  assert.match(table, /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s\n$/)
  assert.match(await k('get deploy web -o wide'), /CONTAINERS +IMAGES +SELECTOR\n.*myapp +myapp:v1 +app=web/)
  assert.equal(await k('get deploy web -o name'), 'deployment.apps/web\n')
  assert.equal(await k(`get deploy web -o jsonpath='{.spec.replicas}'`), '2')
  assert.match(await k('get deploy web -o yaml'), /\nspec:\n {2}progressDeadlineSeconds: 600\n {2}replicas: 2\n/)
  assert.equal(JSON.parse(await k('get pods -l app=web -o json')).items.length, 2)
  assert.equal(
    (await k('get pods -A --field-selector=status.phase=Running -l app=web --no-headers')).trim().split('\n').length,
    2,
  )
  assert.equal(await k('get pods -l app=nothing'), '')
  assert.match(
    await k('describe deploy web'),
    /NewReplicaSet: +web-\S+ \(2\/2 replicas created\)[\s\S]*ScalingReplicaSet/,
  )
  assert.match(
    await k('describe pod -l app=web'),
    /Scheduled[\s\S]*Successfully assigned default\/web-\S+ to[\s\S]*Pulled[\s\S]*Created[\s\S]*Started/,
  )
  assert.match(
    await k('describe node'),
    /Allocated resources:[\s\S]*Ready +True[\s\S]*KubeletReady|KubeletReady[\s\S]*Allocated resources:/,
  )
  assert.match(await k('describe ns default'), /Status: +Active/)
})

test('kubectl get --watch shows changes as they happen', options, async () => {
  const watching = cluster.shell(
    'timeout 6 kubectl get configmap watched -w --no-headers -o custom-columns=D:.data.a || true',
  )
  await k('create configmap watched --from-literal=a=one')
  for (const value of ['two', 'three']) {
    await run('sleep', ['1'])
    await k(`patch configmap watched -p '{"data":{"a":"${value}"}}'`)
  }
  const { stdout } = await cluster.shell(
    'timeout 2 kubectl get configmap watched -w --no-headers -o custom-columns=D:.data.a || true',
  )
  assert.equal(stdout.trim(), 'three')
  await watching
})

test('kubectl logs follows, limits and stamps logs, also those of the previous container', options, async () => {
  await k(
    'run talker --image=busybox --image-pull-policy=IfNotPresent --restart=Always -- sh -c "echo one; echo two; sleep 2; echo three; sleep 1; exit 1"',
  )
  await eventually(
    'it has ended once',
    async () => Number(await k(`get pod talker -o jsonpath='{.status.containerStatuses[0].restartCount}'`)) >= 1,
  )
  assert.equal(await k('logs talker -p'), 'one\ntwo\nthree\n')
  assert.equal(await k('logs talker -p --tail=1'), 'three\n')
  assert.match(await k('logs talker -p --timestamps --tail=1'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z three\n$/)
  assert.equal(await k('logs talker -p --since=1h -c talker'), 'one\ntwo\nthree\n')
  await k(
    'run counter --image=busybox --image-pull-policy=IfNotPresent --restart=Never -- sh -c "for i in 1 2 3; do echo \\$i; sleep 1; done"',
  )
  await k('wait pod/counter --for=condition=Ready --timeout=30s')
  assert.equal(await k('logs -f counter'), '1\n2\n3\n')
  await k('delete pod talker counter --grace-period=0 --force')
})

test('kubectl exec passes output, exit code, standard input and a terminal', options, async () => {
  assert.equal(await k('exec deploy/web -- echo hello'), 'hello\n')
  const failed = await cluster.tryKubectl('exec deploy/web -- sh -c "echo bad >&2; exit 7"')
  assert.equal(failed.code, 7)
  assert.match(failed.stderr, /^bad\n/)
  const long = 'x'.repeat(300_000)
  assert.equal((await k('exec -i deploy/web -- wc -c', long)).trim(), '300000')
  // These processes read their whole input, and print nothing.
  for (const copy of [`sh -c 'cat > /tmp/o'`, 'dd of=/tmp/o bs=64k'])
    for (let i = 0; i < 3; i++) {
      await k(`exec -i deploy/web -- ${copy}`, long)
      assert.equal((await k('exec deploy/web -- wc -c /tmp/o')).trim(), '300000 /tmp/o')
    }
  await k('exec -i deploy/web -- true', 'x'.repeat(3_000_000))
  const codes = await Promise.all([1, 2, 3, 4].map(n => cluster.tryKubectl(`exec deploy/web -- sh -c "exit ${n}"`)))
  assert.deepEqual(
    codes.map(({ code }) => code),
    [1, 2, 3, 4],
  )
  const nobody = await cluster.tryKubectl('exec deploy/web -- nobody-has-this')
  assert.match(
    nobody.stderr,
    /failed to exec in container: failed to start exec .* executable file not found in \$PATH/,
  )
  const terminal = await cluster.shell(
    `script -qec "stty cols 91 rows 33; kubectl exec -it deploy/web -- sh -c 'sleep 1; tty; stty size'" /dev/null`,
  )
  assert.match(terminal.stdout, /\/dev\/pts\/0\r?\n33 91/)
})

test('kubectl attaches, copies, and forwards ports of a pod and of a service', options, async () => {
  await k(
    'run echo --image=busybox --image-pull-policy=IfNotPresent --restart=Never --stdin --attach=false -- sh -c "read line; echo got \\$line; sleep 1"',
  )
  await k('wait pod/echo --for=condition=Ready --timeout=30s')
  assert.match((await cluster.tryKubectl('attach -i echo', 'hello\n')).stdout, /got hello/)
  const pod = (await k(`get pods -l app=web -o jsonpath='{.items[0].metadata.name}'`)).trim()
  writeFileSync(`${cluster.dataDir}/file`, 'content\n'.repeat(1000))
  await k(`cp ${cluster.dataDir}/file ${pod}:/tmp/file`)
  assert.equal((await k(`exec ${pod} -- wc -l /tmp/file`)).trim(), '1000 /tmp/file')
  await k(`cp ${pod}:/tmp/file ${cluster.dataDir}/back`)
  assert.equal((await run('cmp', [`${cluster.dataDir}/file`, `${cluster.dataDir}/back`])).code, 0)
  for (const file of ['file', 'back']) rmSync(`${cluster.dataDir}/${file}`)
  await k('expose deploy web --port=80 --target-port=8080')
  for (const [target, port] of [
    [`pod/${pod}`, '18081:8080'],
    ['service/web', '18082:80'],
  ] as const) {
    const { stdout } = await cluster.shell(
      `kubectl port-forward ${target} ${port} >/dev/null 2>&1 & p=$!; for i in $(seq 50); do curl -s -m 2 127.0.0.1:${port.split(':')[0]} && break; sleep 0.1; done; kill $p`,
    )
    assert.match(stdout, /^web-/)
  }
})

test('server-side apply records ownership, reports conflicts, and can be forced', options, async () => {
  const config = (value: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'owned' },
    data: { a: value },
  })
  await cluster.apply(config('1'), '--server-side --field-manager=first')
  const conflict = await cluster.tryKubectl(
    'apply --server-side --field-manager=second -f -',
    JSON.stringify(config('2')),
  )
  assert.equal(conflict.code, 1)
  assert.match(conflict.stderr, /Apply failed with 1 conflict: conflict with "first": \.data\.a/)
  await cluster.apply(config('2'), '--server-side --field-manager=second --force-conflicts')
  const owned = JSON.parse(await k('get --raw /api/v1/namespaces/default/configmaps/owned'))
  assert.deepEqual(
    owned.metadata.managedFields.map((m: { manager: string }) => m.manager),
    ['second'],
  )
  assert.equal(owned.data.a, '2')
})

test('kubectl creates, replaces, patches, edits, labels, annotates and deletes', options, async () => {
  await k('create configmap plain --from-literal=a=1')
  const object = JSON.parse(await k('get configmap plain -o json'))
  await k('replace -f -', JSON.stringify({ ...object, data: { a: '2' } }))
  await k(`patch configmap plain --type=merge -p '{"data":{"b":"1"}}'`)
  await k(`patch configmap plain --type=json -p '[{"op":"add","path":"/data/c","value":"1"}]'`)
  await k(`patch configmap plain -p '{"data":{"a":null}}'`)
  assert.deepEqual(JSON.parse(await k('get configmap plain -o json')).data, { b: '1', c: '1' })
  await cluster.shell(`KUBE_EDITOR='sed -i s/c:/d:/' kubectl edit configmap plain`)
  assert.deepEqual(JSON.parse(await k('get configmap plain -o json')).data, { b: '1', d: '1' })
  await k('label configmap plain x=y')
  await k('annotate configmap plain note=hello')
  assert.equal(await k(`get configmap -l x=y -o jsonpath='{.items[0].metadata.annotations.note}'`), 'hello')
  assert.match(await k('create configmap dry --dry-run=server -o name --from-literal=a=1'), /configmap\/dry/)
  assert.equal((await cluster.tryKubectl('get configmap dry')).code, 1)
  assert.equal(await k('delete configmap plain'), 'configmap "plain" deleted\n')
})

test('kubectl scales, sets images, and controls a rollout', options, async () => {
  await k('scale deploy web --replicas=3')
  await k('rollout status deploy/web --timeout=60s')
  await k('set image deploy/web myapp=myapp:v2')
  await k('rollout status deploy/web --timeout=60s')
  assert.match(await k('rollout history deploy/web'), /REVISION +CHANGE-CAUSE\n1 .*\n2 /)
  await k('rollout undo deploy/web')
  await k('rollout status deploy/web --timeout=60s')
  assert.equal(await k(`get deploy web -o jsonpath='{.spec.template.spec.containers[0].image}'`), 'myapp:v1')
  await k('rollout pause deploy/web')
  await k('set image deploy/web myapp=myapp:v2')
  assert.equal((await k('get rs -l app=web --no-headers')).trim().split('\n').length, 2)
  await k('rollout resume deploy/web')
  await k('rollout restart deploy/web')
  await k('rollout status deploy/web --timeout=60s')
  await eventually(
    'three pods run the new template',
    async () => (await k('get pods -l app=web --no-headers')).trim().split('\n').length === 3,
  )
})

test('kubectl delete keeps the grace period and every kind of cascade', options, async () => {
  await k('delete deploy web --cascade=orphan')
  const set = await eventually('the ReplicaSet has lost its owner', async () => {
    const { items } = JSON.parse(await k('get rs -l app=web -o json')) as {
      items: { metadata: { name: string; ownerReferences?: unknown[] }; spec: { replicas: number } }[]
    }
    return items.length > 0 && items.every(i => !i.metadata.ownerReferences?.length) && items
  })
  for (const { metadata } of set) await k(`delete rs ${metadata.name} --cascade=foreground`)
  await eventually('the pods have gone with them', async () => (await k('get pods -l app=web -o name')) === '')
})

test('kubectl cordons, drains, uncordons and taints a node', options, async () => {
  await k('create deployment lone --image=myapp:v1')
  await k('rollout status deploy/lone --timeout=60s')
  const node = (await k(`get nodes -o jsonpath='{.items[0].metadata.name}'`)).trim()
  await k(`drain ${node} --ignore-daemonsets --force --delete-emptydir-data --timeout=60s`)
  assert.match(await k('get nodes'), /Ready,SchedulingDisabled/)
  await eventually('the new pod says why it waits', async () =>
    /0\/1 nodes are available: 1 node\(s\) were unschedulable/.test(await k('describe pod -l app=lone')),
  )
  await k(`uncordon ${node}`)
  await k('rollout status deploy/lone --timeout=60s')
  await k(`taint node ${node} key=value:NoSchedule`)
  assert.match(await k('describe node'), /Taints: +key=value:NoSchedule/)
  await k(`taint node ${node} key-`)
  await k('delete deploy lone')
})

test('kubectl explains kinds and shows what the cluster serves and allows', options, async () => {
  assert.match(await k('explain pod.spec.containers'), /FIELD: containers|RESOURCE: containers/)
  assert.match(await k('api-resources'), /deployments +deploy +apps\/v1 +true +Deployment/)
  assert.match(await k('api-versions'), /^rbac\.authorization\.k8s\.io\/v1$/m)
  assert.match(await k('cluster-info'), /is running at/)
  assert.equal((await cluster.tryKubectl('auth can-i create pods')).stdout, 'yes\n')
  assert.equal(
    (await cluster.tryKubectl('auth can-i create pods --as=system:serviceaccount:default:default')).stdout,
    'no\n',
  )
  assert.match(await k('version'), /Server Version: .*v1\.36/s)
  assert.match(await k('top node'), /^NAME\s+CPU\(cores\)/)
  const { stdout } = await cluster.shell(
    'kubectl proxy --port=18099 >/dev/null 2>&1 & p=$!; for i in $(seq 50); do curl -s 127.0.0.1:18099/version && break; sleep 0.1; done; kill $p',
  )
  assert.match(stdout, /"gitVersion": "v1\.36/)
})

test('a namespace is deleted with everything in it', options, async () => {
  await k('create ns doomed')
  await k('create deployment x -n doomed --image=myapp:v1')
  await k('create configmap y -n doomed')
  await k('delete ns doomed --timeout=60s')
  assert.equal((await cluster.tryKubectl('get ns doomed')).code, 1)
})

test('kutter why shows which plugins refused a pod, and a user without rights is refused', options, async () => {
  const resources = { requests: { cpu: '1000' } }
  const spec = { containers: [{ name: 'c', image: 'busybox', resources }] }
  await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'giant' }, spec })
  await k('wait pod/giant --for=condition=PodScheduled=false --timeout=30s')
  const told = await cluster.kutter('why', 'pod/giant')
  assert.equal(told.code, 0, told.stderr)
  assert.match(
    told.stdout,
    /^Pod default\/giant has no node and waits until something changes for NodeResourcesFit\.\n/,
  )
  assert.match(told.stdout, /REFUSED +BY +WHY\n +\S+ +NodeResourcesFit +Insufficient cpu\n/)
  const json = JSON.parse((await cluster.kutter('why', 'pod/giant', '-o', 'json')).stdout)
  assert.deepEqual(json.decision.nodes[0].refused, { plugin: 'NodeResourcesFit', reasons: ['Insufficient cpu'] })
  const missing = await cluster.kutter('why', 'pod/nothing')
  assert.deepEqual([missing.code, missing.stdout], [1, 'There is no pod default/nothing.\n'])
  const path = '/debug/scheduler/decisions/default/giant'
  const refused = await run('kubectl', ['get', '--raw', path, '--as=nobody'], { env: cluster.env })
  assert.match(refused.stderr, /forbidden: User "nobody" cannot get path/)
  await k('delete pod giant --now')
})
