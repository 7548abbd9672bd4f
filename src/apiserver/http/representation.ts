import { type Accepted, negotiate, noTransforms, objectTransforms } from "../../api/codec/accept.ts";
import { encode } from "../../api/codec/encode.ts";
import { parseJson } from "../../api/codec/json-numbers.ts";
import { encodeEvent, encodeList, encodeProtobuf, protobufType, withManaged } from "../../api/codec/protobuf.ts";
import { partialObject } from "../../api/codec/partial.ts";
import {
  type IncludeObject,
  includeObjectOf,
  makeTable,
  metadataCells,
  type Table,
  type TableColumn,
  tableColumn,
} from "../../api/codec/table.ts";
import { notAcceptable } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { hasMessage } from "../../api/schema/protobuf-encode.ts";
import type { ListMeta } from "../../api/types/meta.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import { type Content, metadataText, type ResourceHandler, type View, wholeObject } from "../resource-handler.ts";
import { type Listed, textInPieces, textOfList } from "../verbs/list.ts";

/** The form in which one request wants its answer: as it is, as a Table, or only metadata; in JSON or YAML. */
export class Representation {
  readonly contentType: string;
  /** Whether answers are protobuf. */
  private readonly binary: boolean;
  private readonly accepted: Accepted;
  private readonly version: "v1" | "v1beta1";
  private readonly includeObject: IncludeObject;
  private readonly handler: ResourceHandler;
  private readonly clock: Pick<Clock, "now">;

  /** Throws notAcceptable for an Accept header that asks for what there is not. The clock is for ages in Tables. */
  constructor(handler: ResourceHandler, accept: string | undefined, query: URLSearchParams, clock: Pick<Clock, "now">) {
    this.handler = handler;
    this.clock = clock;
    const hasBinary = hasMessage(handler.info.type);
    this.accepted = negotiate(accept, handler.virtual && !handler.virtual.list ? noTransforms : objectTransforms, (as) =>
      as ? as.kind !== "Table" : hasBinary,
    );
    this.binary = this.accepted.mediaType === protobufType;
    this.contentType = this.accepted.contentType;
    this.version = this.accepted.as?.version === "v1beta1" ? "v1beta1" : "v1";
    this.includeObject = includeObjectOf(query.get("includeObject"));
  }

  /** Whether objects go out as they are stored. */
  get plain(): boolean {
    return !this.accepted.as && this.accepted.mediaType === "application/json" && !this.accepted.pretty;
  }

  object(view: View): string | Buffer {
    if (this.plain) return `${view.text}\n`;
    if (this.binary) return encodeProtobuf(this.eventObject(view, true));
    return encode(this.eventObject(view, true), this.accepted);
  }

  /** The list's text in pieces, or its bytes when they are there. Throws before the first one. */
  list(listed: Listed): Iterable<string | Buffer> | Promise<Buffer[]> {
    const { kind, apiVersion, items } = listed;
    const { as } = this.accepted;
    if (this.plain) return textOfList(listed);
    if (this.binary && as?.kind !== "PartialObjectMetadata") return this.binaryList(listed);
    if (!as) return [encode({ kind, apiVersion, metadata: listed.metadata, items: items.map(wholeObject) }, this.accepted)];
    const metadata = { ...listed.metadata, continue: listed.metadata.continue || undefined };
    if (as.kind === "Table") return this.inJson(this.table([], metadata, true), "rows", items, this.rowText());
    const head = { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${this.version}`, metadata };
    if (as.kind === head.kind) return this.inJson(head, "items", items, (view) => this.partialText(view));
    throw notAcceptable(`you requested ${as.kind}, but the requested object is a list (*${kind})`);
  }

  private binaryList({ kind, apiVersion, metadata, items }: Listed): Promise<Buffer[]> {
    const list = this.accepted.as ? { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${this.version}` } : { kind, apiVersion };
    return encodeList({ ...list, metadata }, items, ({ object, managed }) => withManaged(object, managed));
  }

  /** Compact JSON goes out as it is made; what is to be indented, or YAML, is read once more. */
  private inJson(head: object, field: string, items: readonly View[], textOf: (view: View) => string): Iterable<string> {
    const pieces = textInPieces(head, field, items, textOf);
    const { mediaType, pretty } = this.accepted;
    return mediaType === "application/json" && !pretty ? pieces : [encode(parseJson([...pieces].join("")), this.accepted)];
  }

  /** How a Table row's text is made: of texts that are there already, where the object goes with it. */
  private rowText(): (view: View) => string {
    const cells = this.cells();
    const objectText = (view: View): string => {
      if (this.includeObject === "None") return "null";
      return this.includeObject === "Object" ? view.text : this.partialText(view);
    };
    return (view) => `{"cells":${JSON.stringify(cells(view.object))},"object":${objectText(view)}}`;
  }

  private partialText(view: View): string {
    return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/${this.version}","metadata":${metadataText(view)}}`;
  }

  /** An event in a watch stream. */
  event(type: string, object: object): string | Buffer {
    return this.binary ? encodeEvent(type, object) : `${JSON.stringify({ type, object })}\n`;
  }

  /** The media type of a watch stream. */
  get streamType(): string {
    return this.binary ? `${protobufType};stream=watch` : "application/json";
  }

  /** An object in a watch event; the first event of a Table watch carries the columns. */
  eventObject(view: Content, first: boolean): object {
    return this.transformed(this.whole(view), first);
  }

  /** The object with all that this form shows of it. */
  private whole(view: Content): Readonly<KubeObject> {
    if (this.binary) return withManaged(view.object, view.managed);
    return this.accepted.as?.kind === "Table" && this.includeObject === "None" ? view.object : wholeObject(view);
  }

  private transformed(object: Readonly<KubeObject>, columns: boolean): object {
    const { as } = this.accepted;
    if (!as || object.kind === "Status") return object;
    if (as.kind === "PartialObjectMetadata") return partialObject(object, this.version);
    if (as.kind === "Table") return this.table([object], { resourceVersion: object.metadata.resourceVersion }, columns);
    return partialObject(object, this.version);
  }

  private table(objects: readonly KubeObject[], metadata: ListMeta, withColumns: boolean): Table {
    return makeTable({
      columns: withColumns ? tableColumns(this.handler) : null,
      objects,
      cells: this.cells(),
      metadata,
      includeObject: this.includeObject,
      version: this.version,
    });
  }

  private cells(): (object: KubeObject) => unknown[] {
    const { rules, info } = this.handler;
    const columns = tableColumns(this.handler);
    const now = this.clock.now();
    // A bookmark is of the kind, but has nothing that cells could be made from.
    const isWhole = ({ kind, metadata }: KubeObject): boolean => kind === info.kind && metadata.name !== undefined;
    return (object) => (rules.cells && isWhole(object) ? rules.cells(object, now) : metadataCells(object, columns, now));
  }
}

const known = new WeakMap<ResourceHandler, TableColumn[]>();

function tableColumns(handler: ResourceHandler): TableColumn[] {
  let columns = known.get(handler);
  if (!columns) known.set(handler, (columns = handler.columns.map(tableColumn)));
  return columns;
}
