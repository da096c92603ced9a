// The part of etcd's API, version 3, that the store uses, as names and numbers of fields.
import { clientsOf, type Received, type Sent } from '../../wire/grpc.ts'

const etcdDefinition = {
  package: 'etcdserverpb',
  messages: {
    ResponseHeader: { revision: 'int64 = 3' },
    KeyValue: { key: 'bytes = 1', mod_revision: 'int64 = 3', value: 'bytes = 5' },
    RangeRequest: {
      key: 'bytes = 1',
      range_end: 'bytes = 2',
      limit: 'int64 = 3',
      revision: 'int64 = 4',
      serializable: 'bool = 7',
    },
    RangeResponse: { header: 'ResponseHeader = 1', kvs: 'KeyValue[] = 2', more: 'bool = 3', count: 'int64 = 4' },
    PutRequest: { key: 'bytes = 1', value: 'bytes = 2' },
    PutResponse: { header: 'ResponseHeader = 1' },
    DeleteRangeRequest: { key: 'bytes = 1', range_end: 'bytes = 2' },
    DeleteRangeResponse: { header: 'ResponseHeader = 1', deleted: 'int64 = 2' },
    RequestOp: {
      request_range: 'RangeRequest = 1',
      request_put: 'PutRequest = 2',
      request_delete_range: 'DeleteRangeRequest = 3',
    },
    ResponseOp: { response_range: 'RangeResponse = 1' },
    Compare: { result: 'CompareResult = 1', target: 'CompareTarget = 2', key: 'bytes = 3', mod_revision: 'int64 = 6' },
    TxnRequest: { compare: 'Compare[] = 1', success: 'RequestOp[] = 2', failure: 'RequestOp[] = 3' },
    TxnResponse: { header: 'ResponseHeader = 1', succeeded: 'bool = 2', responses: 'ResponseOp[] = 3' },
    CompactionRequest: { revision: 'int64 = 1', physical: 'bool = 2' },
    CompactionResponse: { header: 'ResponseHeader = 1' },
    Event: { type: 'EventType = 1', kv: 'KeyValue = 2' },
    WatchCreateRequest: {
      key: 'bytes = 1',
      range_end: 'bytes = 2',
      start_revision: 'int64 = 3',
      fragment: 'bool = 8',
    },
    WatchRequest: { create_request: 'WatchCreateRequest = 1' },
    WatchResponse: {
      header: 'ResponseHeader = 1',
      created: 'bool = 3',
      canceled: 'bool = 4',
      compact_revision: 'int64 = 5',
      cancel_reason: 'string = 6',
      events: 'Event[] = 11',
    },
    StatusRequest: {},
    StatusResponse: { header: 'ResponseHeader = 1', version: 'string = 2', dbSize: 'int64 = 3' },
  },
  enums: {
    CompareResult: 'EQUAL GREATER LESS NOT_EQUAL',
    CompareTarget: 'VERSION CREATE MOD VALUE LEASE',
    EventType: 'PUT DELETE',
  },
  services: {
    KV: {
      range: 'RangeRequest RangeResponse',
      deleteRange: 'DeleteRangeRequest DeleteRangeResponse',
      put: 'PutRequest PutResponse',
      txn: 'TxnRequest TxnResponse',
      compact: 'CompactionRequest CompactionResponse',
    },
    Watch: { watch: 'stream WatchRequest stream WatchResponse' },
    Maintenance: { status: 'StatusRequest StatusResponse' },
  },
} as const

type Messages = typeof etcdDefinition.messages
type Enums = typeof etcdDefinition.enums
type Message<N extends keyof Messages> = Received<Messages, Enums, N>

export type KeyValue = Message<'KeyValue'>
export type EtcdEvent = Message<'Event'>
export type RequestOp = Sent<Message<'RequestOp'>>
export type Compare = Sent<Message<'Compare'>>
export type TxnResponse = Message<'TxnResponse'>
export type WatchResponse = Message<'WatchResponse'>

/** The calls with one answer: the service of each, its request and its response. */
export interface Calls {
  range: [service: 'KV', Sent<Message<'RangeRequest'>>, Message<'RangeResponse'>]
  deleteRange: [service: 'KV', Sent<Message<'DeleteRangeRequest'>>, Message<'DeleteRangeResponse'>]
  put: [service: 'KV', Sent<Message<'PutRequest'>>, Message<'PutResponse'>]
  txn: [service: 'KV', Sent<Message<'TxnRequest'>>, Message<'TxnResponse'>]
  compact: [service: 'KV', Sent<Message<'CompactionRequest'>>, Message<'CompactionResponse'>]
  status: [service: 'Maintenance', Sent<Message<'StatusRequest'>>, Message<'StatusResponse'>]
}

export const serviceOf = {
  range: 'KV',
  deleteRange: 'KV',
  put: 'KV',
  txn: 'KV',
  compact: 'KV',
  status: 'Maintenance',
} as const

export type ServiceName = keyof (typeof etcdDefinition)['services']

/** The constructor of the client of a service. */
export const etcdService = (name: ServiceName) => services[name]!
const services = clientsOf(etcdDefinition)
