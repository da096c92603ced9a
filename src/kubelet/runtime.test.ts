// The parts below the kubelet that need no containerd: CRI messages, errors, events, the text of the configuration.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { StatusError } from '../base/errors.ts'
import { containerdConfig } from './containerd/index.ts'
import { enums, messages, services } from './cri/definition.ts'
import { eventOf } from './cri/events.ts'
import { clientsOf, errorOf, grpcOf } from '../wire/grpc.ts'

test('the CRI definition can be loaded, and a request is decoded as it was sent', () => {
  const { RuntimeService } = clientsOf({ package: 'runtime.v1', messages, enums, services })
  const { RunPodSandbox } = RuntimeService!.service
  assert.equal(RunPodSandbox!.path, '/runtime.v1.RuntimeService/RunPodSandbox')
  const config = { metadata: { name: 'a', attempt: 3 }, labels: { x: 'y' }, linux: { cgroupParent: '/p' } }
  const bytes = RunPodSandbox!.requestSerialize({ config })
  const back = RunPodSandbox!.requestDeserialize(bytes)
  assert.equal(back.config.metadata.attempt, 3)
  assert.deepEqual(back.config.labels, { x: 'y' })
  assert.equal(back.config.dnsConfig, null)
  assert.deepEqual(back.config.portMappings, [])
})

test('a gRPC failure keeps its code and description', () => {
  const details = 'no such container'
  const failure = Object.assign(new Error('x'), { code: grpc.status.NOT_FOUND, details, metadata: new grpc.Metadata() })
  const error = errorOf(failure)
  assert.deepEqual([error.reason, error.message], ['NotFound', 'rpc error: code = NotFound desc = no such container'])
  assert.deepEqual(grpcOf(error), { code: 'NotFound', desc: details })
  assert.equal(grpcOf(new StatusError('NotFound', 'other')), undefined)
})

test('an event of containerd names the container and what happened', () => {
  const stamp = { seconds: 10, nanos: 5_000_000 }
  const envelope = (topic: string) => ({
    timestamp: stamp,
    namespace: 'k8s.io',
    topic,
    event: { typeUrl: '', value: new Uint8Array() },
  })
  const exit = { containerId: 'c', id: 'c', pid: 9, exitStatus: 137, exitedAt: stamp }
  assert.deepEqual(
    eventOf(envelope('/tasks/exit'), () => exit),
    { topic: 'exited', containerId: 'c', pid: 9, exitCode: 137, atMs: 10_005 },
  )
  assert.deepEqual(
    eventOf(envelope('/tasks/exit'), () => ({ ...exit, id: 'e' })),
    { topic: 'exec-exited', containerId: 'c', execId: 'e', exitCode: 137, atMs: 10_005 },
  )
  assert.deepEqual(
    eventOf(envelope('/tasks/oom'), () => ({ containerId: 'c' })),
    { topic: 'oom', containerId: 'c', atMs: 10_005 },
  )
  assert.equal(
    eventOf(envelope('/snapshot/prepare'), () => assert.fail()),
    undefined,
  )
})

test('the configuration of containerd keeps all files in one directory', () => {
  const text = containerdConfig({
    dir: '/d',
    cniConfDir: '/n',
    sandboxImage: 'pause',
    registryDir: '/r',
    mayLowerOomScore: false,
  })
  for (const line of [
    'root = "/d/root"',
    'state = "/d/state"',
    'address = "/d/containerd.sock"',
    'sandbox_image = "pause"',
    'conf_dir = "/n"',
    'bin_dir = "/usr/lib/cni"',
    'config_path = "/r"',
    'Root = "/d/state/runc"',
    'oom_score = 0',
    'restrict_oom_score_adj = true',
  ])
    assert.ok(text.split('\n').includes(line), line)
})
