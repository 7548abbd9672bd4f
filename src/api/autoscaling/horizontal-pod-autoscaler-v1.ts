import type { KindRules } from "../kind.ts";
import type { HorizontalPodAutoscaler } from "../types/autoscaling.v1.ts";
import { fromV1 } from "./conversion.ts";
import { horizontalPodAutoscalerRules as v2 } from "./horizontal-pod-autoscaler.ts";

/** The rules of HorizontalPodAutoscalers in version v1: its own default, and v2's checks and columns. */
export const horizontalPodAutoscalerV1Rules: KindRules<HorizontalPodAutoscaler> = {
  default({ metadata, spec }) {
    spec.minReplicas ??= 1;
    if (!metadata.annotations?.["autoscaling.alpha.kubernetes.io/metrics"]) spec.targetCPUUtilizationPercentage ??= 80;
  },
  validate(autoscaler) {
    const newer = fromV1(autoscaler);
    v2.default?.(newer);
    return v2.validate?.(newer) ?? [];
  },
  cells: (autoscaler, now) => v2.cells?.(fromV1(autoscaler), now) ?? [],
};
