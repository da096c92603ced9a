// Quotas: what the objects of a namespace may use together, counted before they are created and when they are deleted.
import { deepStrictEqual, match, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { LimitRange } from '../../src/kinds/core/limitrange.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ResourceQuota } from '../../src/kinds/core/resourcequota.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { deployment, type Sim, simulate } from './cluster.ts'

const namespace = 'default'

async function quota(sim: Sim, name: string, spec: Draft<ResourceQuota['spec']>): Promise<void> {
  await sim.client.create(ResourceQuota, { metadata: { name, namespace }, spec })
  await sim.until('the first count', () => Object.keys(hard(sim, name)).length === Object.keys(spec.hard ?? {}).length)
}

const status = (sim: Sim, name: string) => sim.client.mirror(ResourceQuota).get(namespace, name)!.status
const hard = (sim: Sim, name: string) => status(sim, name).hard ?? {}
const used = (sim: Sim, name: string) => status(sim, name).used ?? {}

const pod = (name: string, resources: object = {}, spec: object = {}): Draft<Pod> =>
  ({
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'app:1', resources }], ...spec },
  }) as never

const requests = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } })

test('a quota counts pods, refuses more than it allows, and gives room back when pods are deleted', () =>
  simulate({ nodes: 2 }, async sim => {
    await sim.until(
      'the service account',
      () => sim.client.mirror(ServiceAccount).get(namespace, 'default') !== undefined,
    )
    await sim.client.create(Pod, pod('before', requests('500m', '1Gi')))
    await quota(sim, 'compute', { hard: { 'requests.cpu': '1', 'limits.memory': '2Gi', pods: '5', 'count/pods': '9' } })
    deepStrictEqual(used(sim, 'compute'), {
      'count/pods': '1',
      'limits.memory': '1Gi',
      pods: '1',
      'requests.cpu': '500m',
    })
    await rejects(sim.client.create(Pod, pod('silent')), (error: Error) => {
      strictEqual(
        error.message,
        'pods "silent" is forbidden: failed quota: compute: must specify limits.memory for: c; requests.cpu for: c',
      )
      return true
    })
    await rejects(sim.client.create(Pod, pod('big', requests('600m', '1Gi'))), (error: Error) => {
      strictEqual(
        error.message,
        'pods "big" is forbidden: exceeded quota: compute, requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1',
      )
      return true
    })
    await sim.client.create(Pod, pod('second', requests('500m', '1Gi')))
    strictEqual(used(sim, 'compute')['requests.cpu'], '1')
    await sim.client.delete(Pod, { namespace, name: 'before' })
    await sim.until('the count to fall', () => used(sim, 'compute')['requests.cpu'] === '500m')
    strictEqual(used(sim, 'compute').pods, '1')
  }))

test('many creates at once never exceed a quota, and a pod that ends makes room', () =>
  simulate({ nodes: 2, fate: p => (p.metadata.name === 'ends' ? 'succeeded' : 'ready') }, async sim => {
    await quota(sim, 'ten', { hard: { pods: '10' } })
    const made = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => sim.client.create(Pod, pod(`p${i}`))))
    strictEqual(made.filter(m => m.status === 'fulfilled').length, 10)
    strictEqual(used(sim, 'ten').pods, '10')
    const refused = made.find(m => m.status === 'rejected') as PromiseRejectedResult
    match(String(refused.reason), /exceeded quota: ten, requested: pods=1, used: pods=10, limited: pods=10/)
    await sim.client.delete(Pod, { namespace, name: sim.pods(namespace)[0]!.metadata.name! })
    await sim.until('room', () => used(sim, 'ten').pods === '9')
    await sim.client.create(Pod, pod('ends'))
    await sim.until('the ended pod not to count', () => used(sim, 'ten').pods === '9')
  }))

test('a Deployment creates as many pods as its quota allows, and goes on when there is room', () =>
  simulate({ nodes: 2 }, async sim => {
    await quota(sim, 'pods', { hard: { pods: '3' } })
    await sim.client.create(Deployment, deployment('web', 5))
    await sim.until('three pods', () => sim.pods(namespace).length === 3)
    const condition = () =>
      sim.client
        .mirror(Deployment)
        .get(namespace, 'web')
        ?.status.conditions?.find(c => c.type === 'ReplicaFailure')
    await sim.until('the condition', () => condition()?.status === 'True')
    match(condition()?.message ?? '', /exceeded quota: pods/)
    await sim.client.patch(ResourceQuota, { namespace, name: 'pods' }, 'merge', { spec: { hard: { pods: '5' } } })
    await sim.until('five pods', () => sim.pods(namespace).length === 5)
  }))

test('the scopes of a quota choose the pods that count', () =>
  simulate({ nodes: 1 }, async sim => {
    await quota(sim, 'besteffort', { hard: { pods: '1' }, scopes: ['BestEffort'] })
    await quota(sim, 'ending', { hard: { pods: '1' }, scopes: ['Terminating'] })
    await quota(sim, 'critical', {
      hard: { pods: '0' },
      scopeSelector: {
        matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
      },
    })
    await sim.client.create(Pod, pod('a', requests('1m', '1Mi')))
    await sim.client.create(Pod, pod('b'))
    await rejects(sim.client.create(Pod, pod('c')), /exceeded quota: besteffort/)
    await sim.client.create(Pod, pod('d', requests('1m', '1Mi'), { activeDeadlineSeconds: 100 }))
    await rejects(
      sim.client.create(Pod, pod('e', requests('1m', '1Mi'), { activeDeadlineSeconds: 100 })),
      /exceeded quota: ending/,
    )
    await rejects(
      sim.client.create(Pod, pod('f', requests('1m', '1Mi'), { priorityClassName: 'system-node-critical' })),
      /exceeded quota: critical/,
    )
    deepStrictEqual(
      [used(sim, 'besteffort'), used(sim, 'ending'), used(sim, 'critical')],
      [{ pods: '1' }, { pods: '1' }, { pods: '0' }],
    )
  }))

test('objects, services and claims are counted by name', () =>
  simulate({ scheduler: false }, async sim => {
    await quota(sim, 'objects', {
      hard: {
        'count/configmaps': '3',
        'services.nodeports': '2',
        'services.loadbalancers': '0',
        'requests.storage': '10Gi',
        'fast.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
        'count/deployments.apps': '1',
      },
    })
    // The ConfigMap kube-root-ca.crt counts, too.
    strictEqual(used(sim, 'objects')['count/configmaps'], '1')
    const map = (name: string) => sim.client.create(ConfigMap, { metadata: { name, namespace } })
    await map('a')
    await map('b')
    await rejects(map('c'), /exceeded quota: objects, requested: count\/configmaps=1/)
    const ports = (n: number) => Array.from({ length: n }, (_, i) => ({ name: `p${i}`, port: 80 + i }))
    const service = (name: string, type: string, n: number) =>
      sim.client.create(Service, { metadata: { name, namespace }, spec: { type, ports: ports(n) } } as never)
    await service('inside', 'ClusterIP', 3)
    await service('outside', 'NodePort', 2)
    await rejects(service('more', 'NodePort', 1), /services.nodeports=1, used: services.nodeports=2/)
    await rejects(service('balanced', 'LoadBalancer', 1), /services.loadbalancers=1/)
    // A request that one limit refuses must not count against the others.
    await sim.client.patch(Service, { namespace, name: 'outside' }, 'merge', {
      spec: { type: 'ClusterIP', ports: ports(2) },
    })
    await sim.until('the ports back', () => used(sim, 'objects')['services.nodeports'] === '0')
    const claim = (name: string, storage: string) =>
      sim.client.create(PersistentVolumeClaim, {
        metadata: { name, namespace },
        spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage } } },
      })
    await rejects(claim('huge', '11Gi'), /requested: requests.storage=11Gi/)
    await claim('one', '4Gi')
    await rejects(claim('two', '1Gi'), /fast.storageclass.storage.k8s.io\/persistentvolumeclaims=1/)
    await sim.client.create(Deployment, deployment('one', 0))
    await rejects(sim.client.create(Deployment, deployment('two', 0)), /count\/deployments.apps=1/)
  }))

test('invalid quotas and limit ranges are refused with the names of their fields', () =>
  simulate({ scheduler: false }, async sim => {
    const bad = (spec: object) =>
      sim.client.create(ResourceQuota, { metadata: { name: 'q', namespace }, spec } as never)
    await rejects(bad({ hard: { cup: '1' } }), /spec.hard\[cup\]: Invalid value: "cup": must be a standard resource/)
    await rejects(bad({ hard: { pods: '500m' } }), /spec.hard\[pods\].*must be an integer/)
    await rejects(bad({ hard: { pods: '1' }, scopes: ['BestEffort', 'NotBestEffort'] }), /conflicting scopes/)
    await rejects(bad({ hard: { configmaps: '1' }, scopes: ['BestEffort'] }), /unsupported scope applied to resource/)
    const limits = (item: object) =>
      sim.client.create(LimitRange, { metadata: { name: 'l', namespace }, spec: { limits: [item] } } as never)
    await rejects(limits({ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } }), /min value 2 is greater than/)
    await rejects(limits({ type: 'Pod', default: { cpu: '2' } }), /may not be specified when `type` is 'Pod'/)
    await rejects(limits({ type: 'PersistentVolumeClaim' }), /either minimum or maximum storage value is required/)
    const made = await limits({ type: 'Container', max: { cpu: '1' } })
    deepStrictEqual(made.spec.limits![0]!.defaultRequest, { cpu: '1' })
  }))
