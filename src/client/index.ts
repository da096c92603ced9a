// The client room: how every part of the cluster other than the API server uses the API. A Client turns calls into
// operations, which its transport brings to the API server in the same process or over HTTPS. Informers keep mirrors
// current. Events and leader election are built on them.
export { accountClients } from './accounts.ts'
export { Client, type DeleteRequest } from './client.ts'
export { EventRecorder, referenceTo } from './events.ts'
export { type Credentials, httpsTransport, type HttpsTransport } from './https.ts'
export { type Holds, type LeaderTiming, leadWithLease } from './leader.ts'
export { followKinds } from './kinds.ts'
