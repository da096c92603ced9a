// The parts of the control plane as separate processes: controllers and scheduler work for a server over HTTPS, each as
// its own user, and with one leader at a time.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, root } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('roles', [], ['--disable', 'controller-manager,scheduler'])
const started: ChildProcess[] = []

function start(...args: string[]): ChildProcess {
  const child = spawn('./kutter', args, { cwd: root, stdio: 'ignore' })
  started.push(child)
  return child
}

const stop = (child: ChildProcess) =>
  new Promise<void>(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })

const holder = async (lease: string) =>
  (await cluster.tryKubectl(`get lease -n kube-system ${lease} -o jsonpath='{.spec.holderIdentity}'`)).stdout

describe('controllers and scheduler apart from the server', () => {
  after(async () => {
    await Promise.all(started.map(stop))
  })

  test('without controllers and a scheduler a Deployment gets no pods', options, async () => {
    await cluster.kubectl('create deployment web --image=registry.k8s.io/pause --replicas=2')
    assert.equal((await cluster.kubectl('get replicasets,pods')).trim(), '')
  })

  test('the controller manager acts as the service accounts of its controllers', options, async () => {
    const dir = `${cluster.dataDir}/${cluster.name}`
    const pki = `${dir}/pki`
    const words = `controller-manager --kubeconfig ${dir}/controller-manager.kubeconfig --cluster-cidr 10.200.0.0/16
      --root-ca-file ${pki}/ca.crt --service-account-private-key-file ${pki}/sa.key
      --cluster-signing-cert-file ${pki}/ca.crt --cluster-signing-key-file ${pki}/ca.key`
    start(...words.split(/\s+/))
    await eventually('two pods', async () => {
      const { stdout } = await cluster.tryKubectl('get pods -o name')
      return stdout.trim().split('\n').filter(Boolean).length === 2
    })
    assert.match(await cluster.kubectl('get serviceaccounts -n kube-system -o name'), /deployment-controller/)
    assert.equal(await cluster.kubectl(`get nodes -o jsonpath='{.items[0].spec.podCIDR}'`), '10.200.0.0/24')
    assert.match(await holder('kube-controller-manager'), /_/)
    assert.match(await cluster.kubectl('get pods'), /Pending/)
  })

  test('the scheduler binds pods, and a second one stands by and takes over', options, async () => {
    const kubeconfig = `${cluster.dataDir}/${cluster.name}/scheduler.kubeconfig`
    const first = start('scheduler', '--kubeconfig', kubeconfig)
    await eventually('both pods on the node', async () => {
      const names = await cluster.kubectl(`get pods -o jsonpath='{.items[*].spec.nodeName}'`)
      return names.split(' ').filter(Boolean).length === 2
    })
    const before = await holder('kube-scheduler')
    start('scheduler', '--kubeconfig', kubeconfig)
    await stop(first)
    const next = await eventually('the next leader', async () => {
      const now = await holder('kube-scheduler')
      return now !== '' && now !== before ? now : false
    })
    assert.notEqual(next, before)
    await cluster.kubectl('scale deployment web --replicas=3')
    await eventually('the third pod on the node', async () => {
      const names = await cluster.kubectl(`get pods -o jsonpath='{.items[*].spec.nodeName}'`)
      return names.split(' ').filter(Boolean).length === 3
    })
    assert.match(await cluster.kubectl('get events -n kube-system'), /became leader/)
  })

  test('claims get directories of nodes, which go with them', options, async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
    })
    const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
    const containers = [{ name: 'c', image: 'registry.k8s.io/pause' }]
    await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'user' }, spec: { containers, volumes } })
    const path = await eventually('a directory', async () => {
      const { stdout } = await cluster.tryKubectl(`get pv -o jsonpath='{.items[0].spec.local.path}'`)
      return stdout.trim() !== '' && existsSync(stdout.trim()) && stdout.trim()
    })
    assert.equal((await cluster.kubectl(`get pvc data -o jsonpath='{.status.phase}'`)).trim(), 'Bound')
    await cluster.kubectl('delete pod user --now')
    await cluster.kubectl('delete pvc data')
    await eventually('the directory is gone', async () => !existsSync(path))
  })

  test('a role with wrong or missing options is refused with the reason', options, async () => {
    const wrong = await cluster.kutter('up', '--disable', 'kubelet')
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /--disable: there is no part "kubelet"; the parts are controller-manager, scheduler/)
    const none = await cluster.kutter('controller-manager')
    assert.equal(none.code, 2)
    assert.match(none.stderr, /--kubeconfig is required/)
  })
})
