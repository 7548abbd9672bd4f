import type { UserInfo } from "../api/user.ts";
import type { Clock } from "../lib/clock.ts";
import type { Reads } from "../store/store.ts";
import type { ResourceHandler } from "./resource-handler.ts";

/** One request on its way to a verb, whether it came over HTTPS or from within the process. Authorised already. */
export interface Call {
  handler: ResourceHandler;
  /** "" outside namespaces, or for all of them. */
  namespace: string;
  /** "" for collections. */
  name: string;
  subresource: string;
  user: UserInfo;
  dryRun: boolean;
  /** Who the client says writes; default: the user. */
  fieldManager?: string | undefined;
  /** Gets and lists show the cluster at a past moment: its states, and its time. */
  past?: { store: Reads; clock: Pick<Clock, "now"> };
  /** Shows the client a warning. */
  warn(message: string): void;
}

/** The `warn` of a call whose client is shown no warnings. */
export const unheard = (): void => {};

/** Options of list, watch and deletecollection, as in the API. */
export interface ListOptions {
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  resourceVersionMatch?: string;
  limit?: number;
  continue?: string;
}

/** Options of watch beyond those of list. */
export interface WatchOptions extends ListOptions {
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

/** Options and body of a delete. */
export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: string;
  orphanDependents?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
}
