import { type Accepted, negotiate, noTransforms, objectTransforms } from "../../api/codec/accept.ts";
import { encode } from "../../api/codec/encode.ts";
import { partialList, partialObject } from "../../api/codec/partial.ts";
import { type IncludeObject, includeObjectOf, makeTable, metadataCells, type TableColumn, tableColumn } from "../../api/codec/table.ts";
import { notAcceptable } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { ListMeta } from "../../api/types/meta.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import { type Content, type ResourceHandler, type View, wholeObject } from "../resource-handler.ts";
import { type Listed, textOfList } from "../verbs/list.ts";

/** The form in which one request wants its answer: as it is, as a Table, or only metadata; in JSON or YAML. */
export class Representation {
  readonly contentType: string;
  private readonly accepted: Accepted;
  private readonly version: "v1" | "v1beta1";
  private readonly includeObject: IncludeObject;
  private readonly handler: ResourceHandler;
  private readonly clock: Clock;

  /** Throws notAcceptable for an Accept header that asks for what there is not. The clock is for ages in Tables. */
  constructor(handler: ResourceHandler, accept: string | undefined, query: URLSearchParams, clock: Clock) {
    this.handler = handler;
    this.clock = clock;
    this.accepted = negotiate(accept, handler.virtual && !handler.virtual.list ? noTransforms : objectTransforms);
    this.contentType = this.accepted.contentType;
    this.version = this.accepted.as?.version === "v1beta1" ? "v1beta1" : "v1";
    this.includeObject = includeObjectOf(query.get("includeObject"));
  }

  /** Whether objects go out as they are stored. */
  get plain(): boolean {
    return !this.accepted.as && this.accepted.mediaType === "application/json" && !this.accepted.pretty;
  }

  object(view: View): string {
    if (this.plain) return `${view.text}\n`;
    return encode(this.eventObject(view, true), this.accepted);
  }

  /** The list's text in pieces. Throws before the first one. */
  list(listed: Listed): Iterable<string> {
    return this.plain ? textOfList(listed) : [this.transformedList(listed)];
  }

  private transformedList(listed: Listed): string {
    const { kind, apiVersion } = listed;
    const objects = listed.items.map((view) => this.whole(view));
    if (!this.accepted.as) return encode({ kind, apiVersion, metadata: listed.metadata, items: objects }, this.accepted);
    const metadata = { ...listed.metadata, continue: listed.metadata.continue || undefined };
    if (this.accepted.as.kind === "Table") return encode(this.table(objects, metadata, true), this.accepted);
    const list = { kind, apiVersion, metadata, items: objects };
    if (this.accepted.as.kind === "PartialObjectMetadataList") return encode(partialList(list, this.version), this.accepted);
    throw notAcceptable(`you requested ${this.accepted.as.kind}, but the requested object is a list (*${kind})`);
  }

  /** An object in a watch event; the first event of a Table watch carries the columns. */
  eventObject(view: Content, first: boolean): object {
    return this.transformed(this.whole(view), first);
  }

  /** The object with all that this form shows of it. */
  private whole(view: Content): Readonly<KubeObject> {
    return this.accepted.as?.kind === "Table" && this.includeObject === "None" ? view.object : wholeObject(view);
  }

  private transformed(object: Readonly<KubeObject>, columns: boolean): object {
    const { as } = this.accepted;
    if (!as || object.kind === "Status") return object;
    if (as.kind === "PartialObjectMetadata") return partialObject(object, this.version);
    if (as.kind === "Table") return this.table([object], { resourceVersion: object.metadata.resourceVersion }, columns);
    return partialObject(object, this.version);
  }

  private table(objects: readonly KubeObject[], metadata: ListMeta, withColumns: boolean): object {
    const { rules } = this.handler;
    const columns = tableColumns(this.handler);
    const now = this.clock.now();
    const cells = (object: KubeObject): unknown[] =>
      object.kind === this.handler.info.kind && rules.cells ? rules.cells(object, now) : metadataCells(object, columns, now);
    return makeTable({
      columns: withColumns ? columns : null,
      objects,
      cells,
      metadata,
      includeObject: this.includeObject,
      version: this.version,
    });
  }
}

const known = new WeakMap<ResourceHandler, TableColumn[]>();

function tableColumns(handler: ResourceHandler): TableColumn[] {
  let columns = known.get(handler);
  if (!columns) known.set(handler, (columns = handler.columns.map(tableColumn)));
  return columns;
}
