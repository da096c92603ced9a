// The list of built-in kinds: the only place that names them all.
import type { AnyKind } from '../api/kind.ts'
import { MutatingAdmissionPolicy } from './admissionregistration/mutatingadmissionpolicy.ts'
import { MutatingAdmissionPolicyBinding } from './admissionregistration/mutatingadmissionpolicybinding.ts'
import { MutatingWebhookConfiguration } from './admissionregistration/mutatingwebhookconfiguration.ts'
import { ValidatingAdmissionPolicy } from './admissionregistration/validatingadmissionpolicy.ts'
import { ValidatingAdmissionPolicyBinding } from './admissionregistration/validatingadmissionpolicybinding.ts'
import { ValidatingWebhookConfiguration } from './admissionregistration/validatingwebhookconfiguration.ts'
import { CustomResourceDefinition } from './apiextensions/customresourcedefinition.ts'
import { APIService } from './apiregistration/apiservice.ts'
import { ControllerRevision } from './apps/controllerrevision.ts'
import { DaemonSet } from './apps/daemonset.ts'
import { Deployment } from './apps/deployment.ts'
import { ReplicaSet } from './apps/replicaset.ts'
import { StatefulSet } from './apps/statefulset.ts'
import { SelfSubjectReview } from './authentication/selfsubjectreview.ts'
import { TokenRequest } from './authentication/tokenrequest.ts'
import { TokenReview } from './authentication/tokenreview.ts'
import { LocalSubjectAccessReview } from './authorization/localsubjectaccessreview.ts'
import { SelfSubjectAccessReview } from './authorization/selfsubjectaccessreview.ts'
import { SelfSubjectRulesReview } from './authorization/selfsubjectrulesreview.ts'
import { SubjectAccessReview } from './authorization/subjectaccessreview.ts'
import { HorizontalPodAutoscaler } from './autoscaling/horizontalpodautoscaler-v2.ts'
import { HorizontalPodAutoscaler as HorizontalPodAutoscalerV1 } from './autoscaling/horizontalpodautoscaler.ts'
import { Scale } from './autoscaling/scale.ts'
import { CronJob } from './batch/cronjob.ts'
import { Job } from './batch/job.ts'
import { CertificateSigningRequest } from './certificates/certificatesigningrequest.ts'
import { ClusterTrustBundle } from './certificates/clustertrustbundle.ts'
import { PodCertificateRequest } from './certificates/podcertificaterequest.ts'
import { Lease } from './coordination/lease.ts'
import { Binding } from './core/binding.ts'
import { ComponentStatus } from './core/componentstatus.ts'
import { ConfigMap } from './core/configmap.ts'
import { Endpoints } from './core/endpoints.ts'
import { Event } from './core/event.ts'
import { LimitRange } from './core/limitrange.ts'
import { Namespace } from './core/namespace.ts'
import { Node } from './core/node.ts'
import { PersistentVolume } from './core/persistentvolume.ts'
import { PersistentVolumeClaim } from './core/persistentvolumeclaim.ts'
import { Pod } from './core/pod.ts'
import { PodTemplate } from './core/podtemplate.ts'
import { ReplicationController } from './core/replicationcontroller.ts'
import { ResourceQuota } from './core/resourcequota.ts'
import { Secret } from './core/secret.ts'
import { Service } from './core/service.ts'
import { ServiceAccount } from './core/serviceaccount.ts'
import { EndpointSlice } from './discovery/endpointslice.ts'
import { Event as EventsEvent } from './events/event.ts'
import { FlowSchema } from './flowcontrol/flowschema.ts'
import { PriorityLevelConfiguration } from './flowcontrol/prioritylevelconfiguration.ts'
import { Ingress } from './networking/ingress.ts'
import { IngressClass } from './networking/ingressclass.ts'
import { IPAddress } from './networking/ipaddress.ts'
import { NetworkPolicy } from './networking/networkpolicy.ts'
import { ServiceCIDR } from './networking/servicecidr.ts'
import { RuntimeClass } from './node/runtimeclass.ts'
import { Eviction } from './policy/eviction.ts'
import { PodDisruptionBudget } from './policy/poddisruptionbudget.ts'
import { ClusterRole } from './rbac/clusterrole.ts'
import { ClusterRoleBinding } from './rbac/clusterrolebinding.ts'
import { Role } from './rbac/role.ts'
import { RoleBinding } from './rbac/rolebinding.ts'
import { DeviceClass } from './resource/deviceclass.ts'
import { DeviceTaintRule } from './resource/devicetaintrule.ts'
import { ResourceClaim } from './resource/resourceclaim.ts'
import { ResourceClaimTemplate } from './resource/resourceclaimtemplate.ts'
import { ResourceSlice } from './resource/resourceslice.ts'
import { PriorityClass } from './scheduling/priorityclass.ts'
import { CSIDriver } from './storage/csidriver.ts'
import { CSINode } from './storage/csinode.ts'
import { CSIStorageCapacity } from './storage/csistoragecapacity.ts'
import { StorageClass } from './storage/storageclass.ts'
import { VolumeAttachment } from './storage/volumeattachment.ts'
import { VolumeAttributesClass } from './storage/volumeattributesclass.ts'
import { StorageVersionMigration } from './storagemigration/storageversionmigration.ts'

/** Every built-in kind; those without a plural are only bodies of subresources. */
export const builtinKinds: readonly AnyKind[] = [
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
  CustomResourceDefinition,
  APIService,
  ControllerRevision,
  DaemonSet,
  Deployment,
  ReplicaSet,
  StatefulSet,
  SelfSubjectReview,
  TokenRequest,
  TokenReview,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerV1,
  Scale,
  CronJob,
  Job,
  CertificateSigningRequest,
  ClusterTrustBundle,
  PodCertificateRequest,
  Lease,
  Binding,
  ComponentStatus,
  ConfigMap,
  Endpoints,
  Event,
  LimitRange,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
  EndpointSlice,
  EventsEvent,
  FlowSchema,
  PriorityLevelConfiguration,
  Ingress,
  IngressClass,
  IPAddress,
  NetworkPolicy,
  ServiceCIDR,
  RuntimeClass,
  Eviction,
  PodDisruptionBudget,
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  DeviceClass,
  DeviceTaintRule,
  ResourceClaim,
  ResourceClaimTemplate,
  ResourceSlice,
  PriorityClass,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
  StorageVersionMigration,
]
