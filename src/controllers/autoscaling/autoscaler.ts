// The HorizontalPodAutoscaler controller: every 15 seconds each metric proposes a number of pods. The highest proposal,
// limited by the autoscaler's rules, becomes the target's scale. Source: pkg/controller/podautoscaler/horizontal.go.
//
//   scale of the target ─► metrics propose ─► stabilize, limit ─► scale of the target ─► status
//                          proposals.ts       limits.ts
import { messageOf } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import { type AnyKind, parseApiVersion } from '../../api/kind.ts'
import type { KindSource } from '../../api/kind-source.ts'
import { matchesSelector, parseSelector } from '../../api/labels.ts'
import { quantityMilli } from '../../api/quantity.ts'
import { timeText } from '../../api/time.ts'
import { HorizontalPodAutoscaler } from '../../kinds/autoscaling/horizontalpodautoscaler-v2.ts'
import {
  type HorizontalPodAutoscalerCondition,
  type HorizontalPodAutoscalerStatus,
} from '../../kinds/autoscaling/autoscalerstatus.ts'
import { type HPAScalingRules } from '../../kinds/autoscaling/autoscalerspec.ts'
import { Scale } from '../../kinds/autoscaling/scale.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, keyOf, type Result } from '../harness.ts'
import { emptyMemory, limit, type Memory, remember } from './limits.ts'
import { kindOf, type MetricProposal, ProposalError, propose } from './proposals.ts'
import type { Mutable } from '../../api/schema/node.ts'

// Source: the defaults of --horizontal-pod-autoscaler-sync-period, -tolerance, -cpu-initialization-period and
// -initial-readiness-delay in kube-controller-manager.
const syncMs = 15_000
const defaultTolerance = 0.1
const cpuInitializationMs = 300_000
const initialReadinessMs = 30_000

/** @param kinds the kinds that the cluster serves; the target of an autoscaler is one of them */
export function autoscalerController(kinds: KindSource): Controller {
  // Recent proposals and changes of scale. They are not stored: a restart begins without them, as upstream.
  const memories = new Map<string, Memory>()
  return defineController({
    name: 'horizontal-pod-autoscaler',
    reconciles: HorizontalPodAutoscaler,
    reads: [Pod],
    // The controller writes the status itself, which must not shorten the 15 seconds.
    when: (object, before) => !before || !sameJson(object.spec, before.spec),
    async reconcile(autoscaler, ctx): Promise<Result> {
      if (autoscaler.metadata.deletionTimestamp) return
      const key = keyOf(autoscaler.metadata.namespace ?? '', autoscaler.metadata.name ?? '')
      let memory = memories.get(key)
      if (!memory) memories.set(key, (memory = emptyMemory()))
      await new Round(autoscaler, ctx, kinds.all, memory).run()
      return { again: syncMs }
    },
    async deleted({ namespace, name }) {
      memories.delete(keyOf(namespace, name))
    },
  })
}

/** One reconcile of one autoscaler. Collects the status on the way and writes it once, at the end. */
class Round {
  readonly #autoscaler: HorizontalPodAutoscaler
  readonly #ctx: Context
  readonly #kinds: readonly AnyKind[]
  readonly #memory: Memory
  #conditions: readonly HorizontalPodAutoscalerCondition[]
  readonly #status: Mutable<HorizontalPodAutoscalerStatus>

  constructor(autoscaler: HorizontalPodAutoscaler, ctx: Context, kinds: readonly AnyKind[], memory: Memory) {
    this.#autoscaler = autoscaler
    this.#ctx = ctx
    this.#kinds = kinds
    this.#memory = memory
    this.#status = structuredClone(autoscaler.status) as Mutable<HorizontalPodAutoscalerStatus>
    this.#conditions = this.#status.conditions ?? []
  }

  async run(): Promise<void> {
    const target = await this.#target()
    if (target) await this.#scale(target.kind, target.scale)
    await this.#writeStatus()
  }

  async #target(): Promise<{ kind: AnyKind; scale: Scale } | undefined> {
    const { spec, metadata } = this.#autoscaler
    const kind = kindOf(spec.scaleTargetRef, this.#kinds)
    try {
      if (!kind?.scale)
        throw new Error(
          `no matches for kind ${JSON.stringify(spec.scaleTargetRef.kind)} in group ${JSON.stringify(parseApiVersion(spec.scaleTargetRef.apiVersion ?? '').group)}`,
        )
      const ref = { namespace: metadata.namespace ?? '', name: spec.scaleTargetRef.name }
      const scale = await this.#ctx.client.get(kind, ref, { subresource: 'scale' })
      this.#set(
        'AbleToScale',
        'True',
        'SucceededGetScale',
        "the HPA controller was able to get the target's current scale",
      )
      return { kind, scale }
    } catch (error) {
      this.#ctx.event(this.#autoscaler, 'Warning', 'FailedGetScale', messageOf(error))
      this.#set(
        'AbleToScale',
        'False',
        'FailedGetScale',
        `the HPA controller was unable to get the target's current scale: ${messageOf(error)}`,
      )
      return undefined
    }
  }

  async #scale(kind: AnyKind, scale: Scale): Promise<void> {
    const { spec } = this.#autoscaler
    const current = scale.spec.replicas ?? 0
    this.#status.currentReplicas = current
    const [min, max] = [spec.minReplicas ?? 1, spec.maxReplicas]
    if (current === 0 && min !== 0) {
      this.#status.desiredReplicas = 0
      this.#set(
        'ScalingActive',
        'False',
        'ScalingDisabled',
        'scaling is disabled since the replica count of the target is zero',
      )
      return
    }
    if (current > max) return this.#rescale(kind, scale, max, 'Current number of replicas above Spec.MaxReplicas')
    if (current < min) return this.#rescale(kind, scale, min, 'Current number of replicas below Spec.MinReplicas')
    const best = await this.#mostOf(scale, current)
    if (!best) {
      this.#status.desiredReplicas = current
      return
    }
    const verdict = limit(spec, this.#memory, current, best.replicas, this.#ctx.steady())
    this.#set('AbleToScale', 'True', verdict.able.reason, verdict.able.message)
    this.#set('ScalingLimited', verdict.limited.status, verdict.limited.reason, verdict.limited.message)
    const reason = best.replicas > current ? `${best.name} above target` : 'All metrics below target'
    await this.#rescale(kind, scale, verdict.replicas, reason)
  }

  /** The highest proposal. Undefined when the metrics allow no decision; then the conditions hold the reason. */
  async #mostOf(scale: Scale, current: number): Promise<{ replicas: number; name: string } | undefined> {
    const selector = scale.status.selector ?? ''
    const namespace = this.#autoscaler.metadata.namespace ?? ''
    if (!selector) {
      this.#ctx.event(this.#autoscaler, 'Warning', 'SelectorRequired', 'selector is required')
      this.#set('ScalingActive', 'False', 'InvalidSelector', "the HPA target's scale is missing a selector")
      return undefined
    }
    const terms = parseSelector(selector)
    const pods = this.#ctx
      .cache(Pod)
      .list(namespace)
      .filter(pod => matchesSelector(terms, pod.metadata.labels))
    const { behavior, metrics = [] } = this.#autoscaler.spec
    const asking = {
      client: this.#ctx.client,
      kinds: this.#kinds,
      namespace,
      selector,
      pods,
      current,
      existing: scale.status.replicas ?? 0,
      tolerance: { up: toleranceOf(behavior?.scaleUp), down: toleranceOf(behavior?.scaleDown) },
      timing: { now: this.#ctx.now(), cpuInitializationMs, initialReadinessMs },
    }
    const proposals: MetricProposal[] = []
    const problems: ProposalError[] = []
    for (const metric of metrics) {
      try {
        proposals.push(await propose(metric, asking))
      } catch (error) {
        if (!(error instanceof ProposalError)) throw error
        problems.push(error)
      }
    }
    this.#status.currentMetrics = proposals.map(p => p.status as Mutable<typeof p.status>)
    return this.#choose(proposals, problems, current)
  }

  #choose(proposals: MetricProposal[], problems: ProposalError[], current: number) {
    const best = proposals.reduce<MetricProposal | undefined>(
      (a, b) => (a && a.replicas >= b.replicas ? a : b),
      undefined,
    )
    const first = problems[0]
    // A metric that failed might have asked for more, so without it the target is not scaled down.
    if (first && (!best || best.replicas < current)) {
      this.#set(
        'ScalingActive',
        'False',
        first.reason,
        `the HPA was unable to compute the replica count: ${first.message}`,
      )
      this.#ctx.event(this.#autoscaler, 'Warning', first.reason, first.message)
      const total = proposals.length + problems.length
      this.#ctx.event(
        this.#autoscaler,
        'Warning',
        'FailedComputeMetricsReplicas',
        `invalid metrics (${problems.length} invalid out of ${total}), first error is: ${first.message}`,
      )
      return undefined
    }
    if (!best) return undefined
    this.#set(
      'ScalingActive',
      'True',
      'ValidMetricFound',
      `the HPA was able to successfully calculate a replica count from ${best.name}`,
    )
    return { replicas: best.replicas, name: best.name }
  }

  async #rescale(kind: AnyKind, scale: Scale, wanted: number, reason: string): Promise<void> {
    const current = scale.spec.replicas ?? 0
    this.#status.desiredReplicas = wanted
    if (wanted === current) return
    const message = `New size: ${wanted}; reason: ${reason}`
    try {
      await this.#ctx.client.update(kind, { ...scale, spec: { replicas: wanted } }, { subresource: 'scale' })
    } catch (error) {
      const why = messageOf(error)
      this.#ctx.event(this.#autoscaler, 'Warning', 'FailedRescale', `${message}; error: ${why}`)
      this.#set(
        'AbleToScale',
        'False',
        'FailedUpdateScale',
        `the HPA controller was unable to update the target scale: ${why}`,
      )
      this.#status.desiredReplicas = current
      return
    }
    remember(this.#memory, current, wanted, this.#ctx.steady())
    this.#status.lastScaleTime = timeText(this.#ctx.now())
    this.#set(
      'AbleToScale',
      'True',
      'SucceededRescale',
      `the HPA controller was able to update the target scale to ${wanted}`,
    )
    this.#ctx.event(this.#autoscaler, 'Normal', 'SuccessfulRescale', message)
  }

  #set(type: string, status: 'True' | 'False', reason: string, message: string): void {
    const before = this.#conditions.find(c => c.type === type)
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(this.#ctx.now())
    const next = { type, status, lastTransitionTime, reason, message } as HorizontalPodAutoscalerCondition
    if (before) this.#conditions = this.#conditions.map(c => (c === before ? next : c))
    else this.#conditions = [...this.#conditions, next]
  }

  async #writeStatus(): Promise<void> {
    const status = {
      ...this.#status,
      conditions: this.#conditions,
      observedGeneration: this.#autoscaler.metadata.generation ?? 0,
    }
    await this.#ctx.writeStatus(HorizontalPodAutoscaler, this.#autoscaler, status)
  }
}

const toleranceOf = (rules: HPAScalingRules | undefined): number =>
  rules?.tolerance === undefined ? defaultTolerance : quantityMilli(rules.tolerance) / 1000
