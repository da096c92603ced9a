// How the health of a container is looked at, and what runs at its start and end.
import type { Of } from '../../api/kind.ts'
import { inline, int32, int64, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { stopSignals } from './signals.ts'

export const ExecAction = struct('core.v1.ExecAction', 'Runs a command in the container. Exit code 0 means success.', {
  command: list(string({}), {
    proto: 1,
    doc: 'Command and arguments to run, in the root directory of the container. It is not run in a shell: to use one, call it explicitly.',
  }),
})
export type ExecAction = Of<typeof ExecAction>

export const HTTPHeader = struct('core.v1.HTTPHeader', 'Header of an HTTP request.', {
  name: string({ proto: 1, always: true, doc: 'Name of the header. Case does not matter.' }),
  value: string({ proto: 2, always: true, doc: 'Value of the header.' }),
})
export type HTTPHeader = Of<typeof HTTPHeader>

export const HTTPGetAction = struct(
  'core.v1.HTTPGetAction',
  'Sends an HTTP GET request. A status code from 200 to 399 means success.',
  {
    path: string({ proto: 1, default: '/', doc: 'Path to request. Defaults to /.' }),
    port: intOrString({
      proto: 2,
      always: true,
      doc: 'Port to connect to, as a number from 1 to 65535 or the name of a container port.',
    }),
    host: string({
      proto: 3,
      doc: 'Host to connect to. Defaults to the IP address of the pod. To send another Host header, set it in httpHeaders instead.',
    }),
    scheme: string({
      proto: 4,
      default: 'HTTP',
      enum: ['HTTP', 'HTTPS'],
      doc: 'Scheme of the request: HTTP or HTTPS. With HTTPS the certificate is not verified. Defaults to HTTP.',
    }),
    httpHeaders: list(HTTPHeader, {
      proto: 5,
      doc: 'Headers to send with the request. A name may occur several times.',
    }),
    protocol: string({
      proto: 6,
      optional: true,
      enum: ['HTTP1', 'HTTP2'],
      doc: 'Version of HTTP to use: HTTP1 or HTTP2. Alpha, without effect.',
    }),
  },
)
export type HTTPGetAction = Of<typeof HTTPGetAction>

export const TCPSocketAction = struct(
  'core.v1.TCPSocketAction',
  'Opens a TCP connection. An established connection means success.',
  {
    port: intOrString({
      proto: 1,
      always: true,
      doc: 'Port to connect to, as a number from 1 to 65535 or the name of a container port.',
    }),
    host: string({ proto: 2, doc: 'Host to connect to. Defaults to the IP address of the pod.' }),
  },
)
export type TCPSocketAction = Of<typeof TCPSocketAction>

export const GRPCAction = struct(
  'core.v1.GRPCAction',
  'Calls the gRPC health checking service. The status SERVING means success.',
  {
    port: int32({ proto: 1, always: true, doc: 'Port of the gRPC server, from 1 to 65535.' }),
    service: string({
      proto: 2,
      optional: true,
      default: '',
      doc: 'Name of the service to put into the health check request. Defaults to the empty string, which means the server as a whole.',
    }),
    mode: string({
      proto: 3,
      optional: true,
      enum: ['Plaintext', 'TLS'],
      doc: 'Whether the connection uses TLS: Plaintext or TLS. Alpha, without effect.',
    }),
  },
)
export type GRPCAction = Of<typeof GRPCAction>

export const ProbeHandler = struct('core.v1.ProbeHandler', 'Method that a probe uses. Exactly one field must be set.', {
  exec: ExecAction.field({ proto: 1, doc: 'Command to run in the container.' }),
  httpGet: HTTPGetAction.field({ proto: 2, doc: 'HTTP GET request to send.' }),
  tcpSocket: TCPSocketAction.field({ proto: 3, doc: 'TCP connection to open.' }),
  grpc: GRPCAction.field({ proto: 4, doc: 'Call of the gRPC health checking service.' }),
})
export type ProbeHandler = Of<typeof ProbeHandler>

export const Probe = struct('core.v1.Probe', 'Periodic health check of a container.', {
  ...inline(ProbeHandler, 1),
  initialDelaySeconds: int32({
    proto: 2,
    doc: 'Seconds to wait after the container has started before the first check. Defaults to 0.',
  }),
  timeoutSeconds: int32({
    proto: 3,
    default: 1,
    doc: 'Seconds after which a check times out and counts as failed. Defaults to 1. Minimum is 1.',
  }),
  periodSeconds: int32({ proto: 4, default: 10, doc: 'Seconds between checks. Defaults to 10. Minimum is 1.' }),
  successThreshold: int32({
    proto: 5,
    default: 1,
    doc: 'Consecutive successful checks after a failure for the probe to be considered successful. Must be 1 for liveness and startup probes. Defaults to 1. Minimum is 1.',
  }),
  failureThreshold: int32({
    proto: 6,
    default: 3,
    doc: 'Consecutive failed checks after a success for the probe to be considered failed. Defaults to 3. Minimum is 1.',
  }),
  terminationGracePeriodSeconds: int64({
    proto: 7,
    optional: true,
    doc: 'Grace period in seconds when this probe fails and the container is stopped, instead of that of the pod. Must be positive. Not allowed for readiness probes.',
  }),
})
export type Probe = Of<typeof Probe>

export const SleepAction = struct('core.v1.SleepAction', 'Pauses for some time.', {
  seconds: int64({ proto: 1, always: true, doc: 'Seconds to pause, at most the grace period of the pod.' }),
})
export type SleepAction = Of<typeof SleepAction>

export const LifecycleHandler = struct(
  'core.v1.LifecycleHandler',
  'Action to take at an event in the life of a container. Exactly one field must be set.',
  {
    exec: ExecAction.field({ proto: 1, doc: 'Command to run in the container.' }),
    httpGet: HTTPGetAction.field({ proto: 2, doc: 'HTTP GET request to send.' }),
    tcpSocket: TCPSocketAction.field({
      proto: 3,
      doc: 'Deprecated: not supported for lifecycle handlers. The hook fails when it runs.',
    }),
    sleep: SleepAction.field({ proto: 4, doc: 'Pause during which the container keeps running.' }),
  },
)
export type LifecycleHandler = Of<typeof LifecycleHandler>

export const Lifecycle = struct(
  'core.v1.Lifecycle',
  'Actions that are taken in response to events in the life of a container.',
  {
    postStart: LifecycleHandler.field({
      proto: 1,
      doc: 'Action to take immediately after the container has been created. If it fails, the container is stopped and restarted according to its restart policy. The container is not ready before it ends.',
    }),
    preStop: LifecycleHandler.field({
      proto: 2,
      doc: 'Action to take before the container is stopped because of an API request or a failed probe. The stop signal is sent after it ends. The grace period of the pod starts before it runs.',
    }),
    stopSignal: string({
      proto: 3,
      optional: true,
      enum: stopSignals,
      doc: 'Signal that is sent to stop the container, such as SIGTERM. Requires os.name. Defaults to the signal of the image, or else to SIGTERM.',
    }),
  },
)
export type Lifecycle = Of<typeof Lifecycle>
