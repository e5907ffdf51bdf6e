import type { DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { withDependencies } from "../call/messages/type-registry.ts";

/** The declarations in the files of some services, and in all files that those import. */
export interface DescriptorIndex {
  /** Looks a file up by its name. */
  file(name: string): DescFile | undefined;
  /**
   * Looks up where something is declared, by its full name: a message, one of its fields or oneofs, an enum or one of its
   * values, an extension, a service or one of its methods.
   */
  fileOfSymbol(name: string): DescFile | undefined;
  /** Looks up where the extension of a message with this number is declared. */
  fileOfExtension(message: string, number: number): DescFile | undefined;
  /** The numbers of a message's extensions, in ascending order; `undefined` if there is no such message. */
  extensionNumbers(message: string): readonly number[] | undefined;
}

/** Makes the index. Of two declarations of one name, the first counts. */
export function indexDescriptors(services: readonly DescService[]): DescriptorIndex {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  /** By message and number. */
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of withDependencies(services.map((service) => service.file))) {
    addTo(files, file.proto.name, file);
    for (const desc of nestedTypes(file)) {
      addTo(symbols, desc.typeName, file);
      switch (desc.kind) {
        case "message":
          addTo(extensions, desc.typeName, new Map());
          for (const member of [...desc.fields, ...desc.oneofs]) {
            addTo(symbols, `${desc.typeName}.${member.name}`, file);
          }
          break;
        case "enum":
          for (const { name } of desc.values) {
            // In protobuf, an enum's values stand beside it.
            addTo(symbols, qualify(scopeOf(desc), name), file);
          }
          break;
        case "extension":
          addTo(addTo(extensions, desc.extendee.typeName, new Map()), desc.number, file);
          break;
        case "service":
          for (const { name } of desc.methods) {
            addTo(symbols, `${desc.typeName}.${name}`, file);
          }
          break;
      }
    }
  }
  return {
    file: (name) => files.get(name),
    fileOfSymbol: (name) => symbols.get(name),
    fileOfExtension: (message, number) => extensions.get(message)?.get(number),
    extensionNumbers(message) {
      const numbers = extensions.get(message)?.keys();
      return numbers && [...numbers].sort((a, b) => a - b);
    },
  };
}

function addTo<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): Value {
  const present = map.get(key);
  if (present !== undefined) {
    return present;
  }
  map.set(key, value);
  return value;
}

function scopeOf({ parent, file }: { readonly parent: DescMessage | undefined; readonly file: DescFile }): string {
  return parent?.typeName ?? file.proto.package;
}

function qualify(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
