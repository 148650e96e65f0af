// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct sluice_frame} of {@code <linux/sluice.h>}: one filled buffer; read as arrays. */
public final class SluiceFrame {

    private static final StructLayout LAYOUT = CType.struct(
            "sluice_frame",
            CType.U32.withName("buffer"),
            CType.U32.withName("flags"),
            CType.ALIGNED_U64.withName("bytes"),
            CType.ALIGNED_U64.withName("sequence"),
            CType.ALIGNED_U64.withName("time"),
            CType.ALIGNED_U64.withName("lost"),
            CType.ALIGNED_U64.withName("position"));
    private static final long BUFFER = CType.offset(LAYOUT, "buffer");
    private static final long VALID_BYTES = CType.offset(LAYOUT, "bytes");
    private static final long SEQUENCE = CType.offset(LAYOUT, "sequence");
    private static final long TIME = CType.offset(LAYOUT, "time");
    private static final long LOST = CType.offset(LAYOUT, "lost");
    private static final long POSITION = CType.offset(LAYOUT, "position");

    /** Size of one, in bytes. */
    public static final long BYTES = LAYOUT.byteSize();

    private SluiceFrame() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    public static MemorySegment allocateArray(Arena arena, int elements) {
        return arena.allocate(BYTES * elements, LAYOUT.byteAlignment());
    }

    public static int buffer(MemorySegment array, int index) {
        return array.get(JAVA_INT, index * BYTES + BUFFER);
    }

    /** Valid bytes, from the start of the buffer. */
    public static long bytes(MemorySegment array, int index) {
        return array.get(JAVA_LONG, index * BYTES + VALID_BYTES);
    }

    public static long sequence(MemorySegment array, int index) {
        return array.get(JAVA_LONG, index * BYTES + SEQUENCE);
    }

    /** Of completion, nanoseconds of the configured clock. */
    public static long time(MemorySegment array, int index) {
        return array.get(JAVA_LONG, index * BYTES + TIME);
    }

    /** Bytes lost between the frame before and this one. */
    public static long lost(MemorySegment array, int index) {
        return array.get(JAVA_LONG, index * BYTES + LOST);
    }

    /** Of the first byte in all that the device produced since its ring was begun, lost bytes included. */
    public static long position(MemorySegment array, int index) {
        return array.get(JAVA_LONG, index * BYTES + POSITION);
    }
}
