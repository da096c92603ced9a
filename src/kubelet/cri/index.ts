// The Container Runtime Interface: calls to containerd and the events it sends.
export { connectCri, type Cri, type CriClient, type Message, type Request } from './cri.ts'
export { containerdEvents, type RuntimeEvent } from './events.ts'
export { grpcOf } from '../../wire/grpc.ts'
