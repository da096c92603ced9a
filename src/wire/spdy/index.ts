// SPDY/3.1, the multiplexing that exec, attach and port-forward grew up with: many streams over one upgraded
// HTTP/1.1 connection. Only this much of it as kubectl, kubelets and containerd use.
export { SpdyConnection } from './connection.ts'
export { SpdyStream, streamLimits } from './stream.ts'
export type { Headers } from './headers.ts'
