// The scheduler's metrics, under the names of Kubernetes. Source: pkg/scheduler/metrics/metrics.go.
import { counter, exponentialBuckets, gauge, histogram } from '../base/metrics.ts'

export const scheduleAttempts = counter(
  'scheduler_schedule_attempts_total',
  "Number of attempts to schedule pods, by the result: 'scheduled', 'unschedulable', or 'error' for a problem inside.",
)
export const attemptSeconds = histogram(
  'scheduler_scheduling_attempt_duration_seconds',
  'Seconds from taking a pod to its binding or refusal.',
  exponentialBuckets(0.001, 2, 15),
)
export const algorithmSeconds = histogram(
  'scheduler_scheduling_algorithm_duration_seconds',
  'Seconds that a decision takes.',
  exponentialBuckets(0.001, 2, 15),
)
export const pointSeconds = histogram(
  'scheduler_framework_extension_point_duration_seconds',
  'Seconds that all plugins of a point take together.',
  exponentialBuckets(0.0001, 2, 12),
)
export const preemptionVictims = histogram(
  'scheduler_preemption_victims',
  'Number of pods chosen to be evicted for another.',
  exponentialBuckets(1, 2, 7),
)
export const preemptionAttempts = counter('scheduler_preemption_attempts_total', 'Attempts to make room for a pod.')
export const pendingPods = gauge(
  'scheduler_pending_pods',
  "Number of pods without a node, by where they wait: 'active', 'backoff', 'unschedulable' or 'gated'.",
)
export const incomingPods = counter(
  'scheduler_queue_incoming_pods_total',
  'Number of pods put into a queue, by queue and by what put them there.',
)
export const pluginFailures = counter(
  'kutter_scheduler_plugin_failures_total',
  'Times a plugin threw where the scheduler goes on without its answer, by plugin and point.',
)
export const leftOut = counter(
  'kutter_scheduler_left_out_total',
  'Pods and nodes that the scheduler could not take in, by kind.',
)
export const podSeconds = histogram(
  'scheduler_pod_scheduling_sli_duration_seconds',
  'Seconds from a pod entering the queue to its binding, by attempts.',
  exponentialBuckets(0.01, 2, 20),
)
export const podAttempts = histogram(
  'scheduler_pod_scheduling_attempts',
  'Attempts it took to schedule a pod.',
  exponentialBuckets(1, 2, 5),
)
export const claimCreates = counter(
  'scheduler_resourceclaim_creates_total',
  'Number of ResourceClaims made for extended resources, by status: success or failure.',
)
