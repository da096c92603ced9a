// Workloads with real containers on two nodes, through kubectl: rollouts and rollbacks, numbered pods and their names,
// daemons, jobs with failure policies, draining within a budget, quotas, and orphans.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('workloads', ['busybox'], ['--nodes', '2'])
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)

const sleeping = (command = 'sleep 3600') => ({
  terminationGracePeriodSeconds: 0,
  automountServiceAccountToken: false,
  containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', command] }],
})
const workload = (kind: string, name: string, spec: object, pod: object = sleeping()) => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: pod },
    ...spec,
  },
})
const field = (what: string, path: string) => k(`get ${what} -o jsonpath='${path}'`)
const lines = async (args: string) => (await k(args)).trim().split('\n').filter(Boolean)

test('a rollout can be paused, resumed and undone to a revision, and its history has the cause', options, async () => {
  await cluster.apply(workload('Deployment', 'web', { replicas: 3 }))
  await k('rollout status deploy/web --timeout=60s')
  await k('annotate deploy/web kubernetes.io/change-cause=first')
  await k(`set env deploy/web VERSION=2`)
  await k('annotate deploy/web kubernetes.io/change-cause=second')
  await k('rollout status deploy/web --timeout=60s')
  await k('rollout pause deploy/web')
  await k('set env deploy/web VERSION=3')
  assert.equal(await field('deploy web', '{.status.updatedReplicas}'), '')
  assert.equal((await lines('get rs -l app=web --no-headers')).length, 2)
  await k('rollout resume deploy/web')
  await k('rollout status deploy/web --timeout=60s')
  const history = await k('rollout history deploy/web')
  assert.match(history, /1 +first\n2 +second\n3 +second/)
  await k('rollout undo deploy/web --to-revision=1')
  await k('rollout status deploy/web --timeout=60s')
  assert.equal(await field('deploy web', '{.spec.template.spec.containers[0].env}'), '')
  assert.match(await k('rollout history deploy/web'), /2 +second\n3 +second\n4 +first/)
  await k('scale deploy/web --replicas=1')
  await eventually('one pod', async () => (await lines('get pods -l app=web --no-headers')).length === 1)
})

test('orphans of a deletion stay and are adopted again', options, async () => {
  const [pod] = await lines('get pods -l app=web -o name')
  await k('delete deploy web --cascade=orphan')
  assert.deepEqual(await lines('get pods -l app=web -o name'), [pod])
  const [rs] = await lines(
    `get rs -l app=web -o jsonpath='{range .items[?(@.spec.replicas==1)]}{.metadata.name}{"\\n"}{end}'`,
  )
  await k(`delete rs ${rs} --cascade=orphan`)
  assert.equal(await field(pod!, '{.metadata.ownerReferences}'), '')
  await cluster.apply(
    workload('ReplicaSet', 'heir', {
      selector: { matchLabels: { app: 'web' } },
      replicas: 1,
      template: { metadata: { labels: { app: 'web' } }, spec: sleeping() },
    }),
  )
  await eventually('adoption', async () => (await field(pod!, '{.metadata.ownerReferences[0].name}')) === 'heir')
  await k('delete rs --all')
})

test('the pods of a stateful set have names in DNS, are created in order, and keep their claims', options, async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 80 }] },
  })
  await cluster.apply(workload('StatefulSet', 'db', { serviceName: 'db', replicas: 3 }))
  await k('rollout status sts/db --timeout=60s')
  assert.deepEqual(await lines('get pods -l app=db -o name'), ['pod/db-0', 'pod/db-1', 'pod/db-2'])
  assert.equal((await k('exec db-1 -- hostname')).trim(), 'db-1')
  assert.equal((await k('exec db-1 -- hostname -f')).trim(), 'db-1.db.default.svc.cluster.local')
  const ip = await field('pod db-2', '{.status.podIP}')
  await eventually('the name of db-2', async () =>
    (await cluster.tryKubectl('exec db-0 -- nslookup db-2.db.default.svc.cluster.local')).stdout.includes(ip),
  )
  assert.equal(await field('pod db-2', '{.metadata.labels.apps\\.kubernetes\\.io/pod-index}'), '2')
  await k('set env sts/db VERSION=2')
  await k('rollout status sts/db --timeout=60s')
  const hashes = await lines(
    `get pods -l app=db -o jsonpath='{range .items[*]}{.metadata.labels.controller-revision-hash}{"\\n"}{end}'`,
  )
  assert.deepEqual(new Set(hashes), new Set([await field('sts db', '{.status.updateRevision}')]))
  await k('rollout undo sts/db')
  await k('rollout status sts/db --timeout=60s')
  await k('scale sts/db --replicas=1')
  await eventually('only db-0', async () => (await lines('get pods -l app=db -o name')).join() === 'pod/db-0')
  await k('delete sts,service db')
})

test('a daemon set runs on both nodes, also on a cordoned one, and rolls out and back', options, async () => {
  const nodes = await lines('get nodes -o name')
  await k(`cordon ${nodes[1]}`)
  await cluster.apply(workload('DaemonSet', 'agent', {}))
  await k('rollout status ds/agent --timeout=60s')
  const on = await lines(`get pods -l app=agent -o jsonpath='{range .items[*]}node/{.spec.nodeName}{"\\n"}{end}'`)
  assert.deepEqual([...on].sort(), [...nodes].sort())
  await k('set env ds/agent VERSION=2')
  await k('rollout status ds/agent --timeout=60s')
  await k('rollout undo ds/agent')
  await k('rollout status ds/agent --timeout=60s')
  assert.match(await k('rollout history ds/agent'), /\n2 .*\n3 /)
  await k(`uncordon ${nodes[1]}`)
  await k('delete ds agent')
})

const job = (name: string, command: string, spec: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: { template: { spec: { ...sleeping(command), restartPolicy: 'Never' } }, ...spec },
})

test(
  'an indexed job runs each index once, a policy ends a failing job, and a cron job runs on demand',
  options,
  async () => {
    await cluster.apply(
      job('squares', 'echo $((JOB_COMPLETION_INDEX * JOB_COMPLETION_INDEX))', {
        completions: 3,
        parallelism: 2,
        completionMode: 'Indexed',
      }),
    )
    const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }]
    await cluster.apply(job('broken', 'exit 42', { backoffLimit: 6, podFailurePolicy: { rules } }))
    await k('wait --for=condition=complete job/squares --timeout=60s')
    assert.equal(await field('job squares', '{.status.completedIndexes}'), '0-2')
    const logs = await lines('logs -l job-name=squares --tail=-1')
    assert.deepEqual(logs.sort(), ['0', '1', '4'])
    await k('wait --for=condition=failed job/broken --timeout=60s')
    assert.match(
      await field('job broken', '{.status.conditions[?(@.type=="Failed")].message}'),
      /^Container c for pod default\/broken-\w+ failed with exit code 42 matching FailJob rule at index 0$/,
    )
    // Older clients create cron jobs and budgets only in versions that Kubernetes does not serve any more.
    const container = { name: 'tick', image: 'busybox', command: ['true'] }
    await cluster.apply({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'tick' },
      spec: {
        schedule: '0 0 1 1 *',
        jobTemplate: { spec: { template: { spec: { restartPolicy: 'OnFailure', containers: [container] } } } },
      },
    })
    const manual = await cluster.tryKubectl('create job now --from=cronjob/tick')
    if (manual.code !== 0) {
      assert.match(manual.stderr, /unknown object type|no kind|could not find/)
      await k('delete cronjob tick')
      await k('delete job --all')
      return
    }
    await k('wait --for=condition=complete job/now --timeout=60s')
    assert.equal(await field('job now', '{.metadata.ownerReferences[0].kind}'), 'CronJob')
    assert.equal(await field('job now', '{.metadata.annotations.cronjob\\.kubernetes\\.io/instantiate}'), 'manual')
    await k('delete cronjob tick')
    await k('delete job --all')
  },
)

test('a drain respects the budget, and the node takes pods again afterwards', options, async () => {
  await cluster.apply(workload('Deployment', 'steady', { replicas: 4 }))
  await k('rollout status deploy/steady --timeout=60s')
  await cluster.apply({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'steady' },
    spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'steady' } } },
  })
  await eventually('the budget', async () => (await field('pdb steady', '{.status.disruptionsAllowed}')) === '1')
  const [, node] = await lines('get nodes -o name')
  let fewest = 4
  const draining = k(`drain ${node} --ignore-daemonsets --delete-emptydir-data --timeout=60s`)
  let drained = false
  const done = draining.finally(() => (drained = true))
  while (!drained) fewest = Math.min(fewest, Number(await field('deploy steady', '{.status.readyReplicas}')) || 0)
  assert.match(await done, /evicted[\s\S]*(drained|node\/\S+ evicted)/)
  assert.ok(fewest >= 3, `${fewest} were ready at a time`)
  const left = await lines(
    `get pods -l app=steady --field-selector=spec.nodeName=${node!.slice('node/'.length)} -o name`,
  )
  assert.deepEqual(left, [])
  await k('patch pdb steady --type=merge -p \'{"spec":{"maxUnavailable":0}}\'')
  await eventually('none allowed', async () => (await field('pdb steady', '{.status.disruptionsAllowed}')) === '0')
  const refused = await cluster.tryKubectl(
    `drain $(kubectl get nodes -o name | head -1) --ignore-daemonsets --timeout=2s`,
  )
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /Cannot evict pod as it would violate the pod's disruption budget/)
  for (const one of await lines('get nodes -o name')) await k(`uncordon ${one}`)
  await k('delete deploy,pdb steady')
})

test('a quota refuses with the message of upstream', options, async () => {
  await k('create namespace small')
  await k('create quota few -n small --hard=pods=1')
  await eventually('the first count', async () => (await field('quota few -n small', '{.status.used.pods}')) === '0')
  await k('run one -n small --image=busybox --restart=Never -- sleep 3600')
  const { stderr } = await cluster.tryKubectl('run two -n small --image=busybox --restart=Never -- sleep 3600')
  assert.match(stderr, /pods "two" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1/)
  await k('delete namespace small')
})

test('pods that are deleted while they are being created are removed like any others', options, async () => {
  const one = async (name: string) => {
    await k(`run ${name} --image=busybox --image-pull-policy=IfNotPresent --restart=Never -- sleep 3600`)
    await k(`delete pod ${name} --grace-period=1 --timeout=30s`)
  }
  for (let round = 0; round < 3; round++) await Promise.all(['a', 'b', 'c', 'd'].map(name => one(`brief-${name}`)))
})
