import type { KubeObject } from "../api/meta/object.ts";

/** Tells users what happened to an object, as Events; equal ones are counted up instead of repeated, and floods are held back. */
export interface EventRecorder {
  /**
   * `fieldPath` names a part of the object ("spec.containers{web}"). Never throws and is not waited for: an event that cannot be written is lost.
   */
  event(object: KubeObject, type: "Normal" | "Warning", reason: string, message: string, fieldPath?: string): void;
}
