// How the health of a container is looked at, and what runs at its start and end.
import type { Of } from '../../api/kind.ts'
import { inline, int32, int64, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { stopSignals } from './signals.ts'

export const ExecAction = struct('core.v1.ExecAction', 'Runs a program in the container; exit code 0 is good.', {
  command: list(string({}), { proto: 1, doc: 'Program and arguments; no shell is involved.' }),
})
export type ExecAction = Of<typeof ExecAction>

export const HTTPHeader = struct('core.v1.HTTPHeader', 'A header of a request.', {
  name: string({ proto: 1, always: true, doc: 'Name of the header.' }),
  value: string({ proto: 2, always: true, doc: 'Value of the header.' }),
})
export type HTTPHeader = Of<typeof HTTPHeader>

export const HTTPGetAction = struct(
  'core.v1.HTTPGetAction',
  'Sends an HTTP request; an answer from 200 to 399 is good.',
  {
    path: string({ proto: 1, default: '/', doc: 'Path to ask for.' }),
    port: intOrString({ proto: 2, always: true, doc: 'Number, or name of one of the container’s ports.' }),
    host: string({ proto: 3, doc: 'Host to connect to; otherwise the pod’s address.' }),
    scheme: string({
      proto: 4,
      default: 'HTTP',
      enum: ['HTTP', 'HTTPS'],
      doc: 'HTTP or HTTPS; certificates are not checked.',
    }),
    httpHeaders: list(HTTPHeader, { proto: 5, doc: 'Headers to send.' }),
    protocol: string({ proto: 6, optional: true, enum: ['HTTP1', 'HTTP2'], doc: 'Version of HTTP to speak.' }),
  },
)
export type HTTPGetAction = Of<typeof HTTPGetAction>

export const TCPSocketAction = struct('core.v1.TCPSocketAction', 'Opens a TCP connection; being able to is good.', {
  port: intOrString({ proto: 1, always: true, doc: 'Number, or name of one of the container’s ports.' }),
  host: string({ proto: 2, doc: 'Host to connect to; otherwise the pod’s address.' }),
})
export type TCPSocketAction = Of<typeof TCPSocketAction>

export const GRPCAction = struct('core.v1.GRPCAction', 'Calls the gRPC health service; the answer SERVING is good.', {
  port: int32({ proto: 1, always: true, doc: 'Port number of the gRPC server.' }),
  service: string({ proto: 2, optional: true, default: '', doc: 'Name of the service to ask about.' }),
  mode: string({ proto: 3, optional: true, enum: ['Plaintext', 'TLS'], doc: 'Whether to use TLS.' }),
})
export type GRPCAction = Of<typeof GRPCAction>

export const ProbeHandler = struct('core.v1.ProbeHandler', 'How a probe looks at a container; exactly one is set.', {
  exec: ExecAction.field({ proto: 1, doc: 'Run a program in the container.' }),
  httpGet: HTTPGetAction.field({ proto: 2, doc: 'Send an HTTP request.' }),
  tcpSocket: TCPSocketAction.field({ proto: 3, doc: 'Open a TCP connection.' }),
  grpc: GRPCAction.field({ proto: 4, doc: 'Call the gRPC health service.' }),
})
export type ProbeHandler = Of<typeof ProbeHandler>

export const Probe = struct('core.v1.Probe', 'A check repeated while a container runs.', {
  ...inline(ProbeHandler, 1),
  initialDelaySeconds: int32({ proto: 2, doc: 'Seconds between the container’s start and the first check.' }),
  timeoutSeconds: int32({ proto: 3, default: 1, doc: 'Seconds after which a check counts as failed; at least 1.' }),
  periodSeconds: int32({ proto: 4, default: 10, doc: 'Seconds from one check to the next; at least 1.' }),
  successThreshold: int32({
    proto: 5,
    default: 1,
    doc: 'Good checks in a row that end a failure; 1 for liveness and startup.',
  }),
  failureThreshold: int32({ proto: 6, default: 3, doc: 'Bad checks in a row that make a failure.' }),
  terminationGracePeriodSeconds: int64({
    proto: 7,
    optional: true,
    doc: 'Overrides the pod’s grace period when this probe stops the container.',
  }),
})
export type Probe = Of<typeof Probe>

export const SleepAction = struct('core.v1.SleepAction', 'Waits.', {
  seconds: int64({ proto: 1, always: true, doc: 'How long, in seconds.' }),
})
export type SleepAction = Of<typeof SleepAction>

export const LifecycleHandler = struct(
  'core.v1.LifecycleHandler',
  'What to do at a moment of a container’s life; exactly one is set.',
  {
    exec: ExecAction.field({ proto: 1, doc: 'Run a program in the container.' }),
    httpGet: HTTPGetAction.field({ proto: 2, doc: 'Send an HTTP request.' }),
    tcpSocket: TCPSocketAction.field({ proto: 3, doc: 'Obsolete; does nothing.' }),
    sleep: SleepAction.field({ proto: 4, doc: 'Wait.' }),
  },
)
export type LifecycleHandler = Of<typeof LifecycleHandler>

export const Lifecycle = struct('core.v1.Lifecycle', 'What runs at the start and the stop of a container.', {
  postStart: LifecycleHandler.field({ proto: 1, doc: 'Runs right after the start; failing it stops the container.' }),
  preStop: LifecycleHandler.field({ proto: 2, doc: 'Runs before the stop signal; counts against the grace period.' }),
  stopSignal: string({
    proto: 3,
    optional: true,
    enum: stopSignals,
    doc: 'Signal that asks the container to stop; otherwise that of the image, or SIGTERM.',
  }),
})
export type Lifecycle = Of<typeof Lifecycle>
