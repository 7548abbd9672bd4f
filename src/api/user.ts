/** Who makes a request, as authentication found it. */
export interface UserInfo {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** What is asked for, as authorisation sees it. */
export interface RequestAttributes {
  user: UserInfo;
  /** get, list, watch, create, update, patch, delete, deletecollection, or the HTTP method in lower case for other paths. */
  verb: string;
  /** False for paths such as /healthz and /version: then only verb and path count. */
  isResource: boolean;
  path: string;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  /** The field selector of a list, watch or deletecollection, as the client sent it: a node may list only what is its own. */
  fieldSelector?: string;
  /** Its label selector, likewise. */
  labelSelector?: string;
}
