// The client room: how every part of the cluster that is not the API server sees the API. A Client turns calls
// into operations; its transport is the server in this process or HTTPS. Mirrors keep copies current.
export { accountClients } from './accounts.ts'
export { Client, type DeleteRequest } from './client.ts'
export { EventRecorder, referenceTo } from './events.ts'
export { type Credentials, httpsTransport, type HttpsTransport } from './https.ts'
export { type LeaderTiming, leadWithLease } from './leader.ts'
