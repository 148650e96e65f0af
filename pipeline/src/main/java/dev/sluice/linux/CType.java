// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** The C types of this platform, and structs laid out from them as its C compiler does. */
final class CType {

    private static final Map<String, MemoryLayout> CANONICAL =
            Linker.nativeLinker().canonicalLayouts();

    static final ValueLayout SHORT = scalar("short");
    static final ValueLayout INT = scalar("int");
    static final ValueLayout LONG_LONG = scalar("long long");

    /** Named, since on 32-bit platforms they are otherwise the same layout as an int. */
    static final ValueLayout SIZE_T = scalar("size_t").withName("size_t");

    static final ValueLayout LONG = scalar("long").withName("long");

    static final AddressLayout POINTER = (AddressLayout) scalar("void*");
    static final ValueLayout UINT8 = ValueLayout.JAVA_BYTE;

    /** {@code __u32} of {@code <linux/types.h>}. */
    static final ValueLayout U32 = ValueLayout.JAVA_INT;

    /** {@code __aligned_u64} of {@code <linux/types.h>}: on 8 bytes also where a long long is not. */
    static final ValueLayout ALIGNED_U64 = ValueLayout.JAVA_LONG;

    /** True where a pointer, a size_t and a long have 8 bytes; false where they have 4 (ARMv7). */
    static final boolean WIDE = POINTER.byteSize() == Long.BYTES;

    private CType() {}

    private static ValueLayout scalar(String name) {
        return (ValueLayout) Objects.requireNonNull(CANONICAL.get(name), name);
    }

    /** A struct with the natural padding of the platform's C ABI between its members and at its end. */
    static StructLayout struct(String name, MemoryLayout... members) {
        List<MemoryLayout> padded = new ArrayList<>();
        long offset = 0;
        long alignment = 1;
        for (MemoryLayout member : members) {
            long gap = -offset & (member.byteAlignment() - 1);
            if (gap > 0) {
                padded.add(MemoryLayout.paddingLayout(gap));
            }
            padded.add(member);
            offset += gap + member.byteSize();
            alignment = Math.max(alignment, member.byteAlignment());
        }
        long tail = -offset & (alignment - 1);
        if (tail > 0) {
            padded.add(MemoryLayout.paddingLayout(tail));
        }
        return MemoryLayout.structLayout(padded.toArray(MemoryLayout[]::new)).withName(name);
    }

    static long offset(StructLayout layout, String member) {
        return layout.byteOffset(MemoryLayout.PathElement.groupElement(member));
    }

    /** True for the integers that are as wide as a pointer: Java passes them as a long everywhere. */
    static boolean isWord(MemoryLayout layout) {
        return layout.name().equals(SIZE_T.name()) || layout.name().equals(LONG.name());
    }

    /** Writes a pointer, a size_t or a long, whatever their width here. */
    static void putWord(MemorySegment segment, long offset, long value) {
        if (WIDE) {
            segment.set(JAVA_LONG, offset, value);
        } else {
            segment.set(JAVA_INT, offset, (int) value);
        }
    }

    /** Reads a size_t or a pointer, whatever its width here. */
    static long getWord(MemorySegment segment, long offset) {
        return WIDE ? segment.get(JAVA_LONG, offset) : Integer.toUnsignedLong(segment.get(JAVA_INT, offset));
    }
}
