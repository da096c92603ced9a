// How the health of a container is looked at, and what runs at its start and end.
import type { Of } from '../../api/kind.ts'
import { inline, int32, int64, intOrString, list, string, struct } from '../../api/schema/build.ts'

export const ExecAction = struct('core.v1.ExecAction', '', {
  command: list(string({}), { proto: 1 }),
})
export type ExecAction = Of<typeof ExecAction>

export const HTTPHeader = struct('core.v1.HTTPHeader', '', {
  name: string({ proto: 1, always: true }),
  value: string({ proto: 2, always: true }),
})
export type HTTPHeader = Of<typeof HTTPHeader>

export const HTTPGetAction = struct('core.v1.HTTPGetAction', '', {
  path: string({ proto: 1, default: '/' }),
  port: intOrString({ proto: 2, always: true }),
  host: string({ proto: 3 }),
  scheme: string({ proto: 4, default: 'HTTP', enum: ['HTTP', 'HTTPS'] }),
  httpHeaders: list(HTTPHeader, { proto: 5 }),
  protocol: string({ proto: 6, optional: true, enum: ['HTTP1', 'HTTP2'] }),
})
export type HTTPGetAction = Of<typeof HTTPGetAction>

export const TCPSocketAction = struct('core.v1.TCPSocketAction', '', {
  port: intOrString({ proto: 1, always: true }),
  host: string({ proto: 2 }),
})
export type TCPSocketAction = Of<typeof TCPSocketAction>

export const GRPCAction = struct('core.v1.GRPCAction', '', {
  port: int32({ proto: 1, always: true }),
  service: string({ proto: 2, optional: true, default: '' }),
  mode: string({ proto: 3, optional: true, enum: ['Plaintext', 'TLS'] }),
})
export type GRPCAction = Of<typeof GRPCAction>

export const ProbeHandler = struct('core.v1.ProbeHandler', '', {
  exec: ExecAction.field({ proto: 1 }),
  httpGet: HTTPGetAction.field({ proto: 2 }),
  tcpSocket: TCPSocketAction.field({ proto: 3 }),
  grpc: GRPCAction.field({ proto: 4 }),
})
export type ProbeHandler = Of<typeof ProbeHandler>

export const Probe = struct('core.v1.Probe', '', {
  ...inline(ProbeHandler, 1),
  initialDelaySeconds: int32({ proto: 2 }),
  timeoutSeconds: int32({ proto: 3, default: 1 }),
  periodSeconds: int32({ proto: 4, default: 10 }),
  successThreshold: int32({ proto: 5, default: 1 }),
  failureThreshold: int32({ proto: 6, default: 3 }),
  terminationGracePeriodSeconds: int64({ proto: 7, optional: true }),
})
export type Probe = Of<typeof Probe>

export const SleepAction = struct('core.v1.SleepAction', '', {
  seconds: int64({ proto: 1, always: true }),
})
export type SleepAction = Of<typeof SleepAction>

export const LifecycleHandler = struct('core.v1.LifecycleHandler', '', {
  exec: ExecAction.field({ proto: 1 }),
  httpGet: HTTPGetAction.field({ proto: 2 }),
  tcpSocket: TCPSocketAction.field({ proto: 3 }),
  sleep: SleepAction.field({ proto: 4 }),
})
export type LifecycleHandler = Of<typeof LifecycleHandler>

export const Lifecycle = struct('core.v1.Lifecycle', '', {
  postStart: LifecycleHandler.field({ proto: 1 }),
  preStop: LifecycleHandler.field({ proto: 2 }),
  stopSignal: string({
    proto: 3,
    optional: true,
    enum: [
      'SIGABRT',
      'SIGALRM',
      'SIGBUS',
      'SIGCHLD',
      'SIGCLD',
      'SIGCONT',
      'SIGFPE',
      'SIGHUP',
      'SIGILL',
      'SIGINT',
      'SIGIO',
      'SIGIOT',
      'SIGKILL',
      'SIGPIPE',
      'SIGPOLL',
      'SIGPROF',
      'SIGPWR',
      'SIGQUIT',
      'SIGSEGV',
      'SIGSTKFLT',
      'SIGSTOP',
      'SIGSYS',
      'SIGTERM',
      'SIGTRAP',
      'SIGTSTP',
      'SIGTTIN',
      'SIGTTOU',
      'SIGURG',
      'SIGUSR1',
      'SIGUSR2',
      'SIGVTALRM',
      'SIGWINCH',
      'SIGXCPU',
      'SIGXFSZ',
      'SIGRTMIN',
      'SIGRTMIN+1',
      'SIGRTMIN+2',
      'SIGRTMIN+3',
      'SIGRTMIN+4',
      'SIGRTMIN+5',
      'SIGRTMIN+6',
      'SIGRTMIN+7',
      'SIGRTMIN+8',
      'SIGRTMIN+9',
      'SIGRTMIN+10',
      'SIGRTMIN+11',
      'SIGRTMIN+12',
      'SIGRTMIN+13',
      'SIGRTMIN+14',
      'SIGRTMIN+15',
      'SIGRTMAX-14',
      'SIGRTMAX-13',
      'SIGRTMAX-12',
      'SIGRTMAX-11',
      'SIGRTMAX-10',
      'SIGRTMAX-9',
      'SIGRTMAX-8',
      'SIGRTMAX-7',
      'SIGRTMAX-6',
      'SIGRTMAX-5',
      'SIGRTMAX-4',
      'SIGRTMAX-3',
      'SIGRTMAX-2',
      'SIGRTMAX-1',
      'SIGRTMAX',
    ],
  }),
})
export type Lifecycle = Of<typeof Lifecycle>
