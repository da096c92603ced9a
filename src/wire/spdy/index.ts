// SPDY/3.1: many streams over one upgraded HTTP/1.1 connection, as used for exec, attach and port-forward. Only the
// parts that kubectl, kubelets and containerd use are here.
export { SpdyConnection } from './connection.ts'
export { SpdyStream, streamLimits } from './stream.ts'
export type { Headers } from './headers.ts'
