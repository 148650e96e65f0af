// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct sluice_counts} of {@code <linux/sluice.h>}: buffers by state at one moment, and totals since the open. */
public final class SluiceCounts {

    private static final StructLayout LAYOUT = CType.struct(
            "sluice_counts",
            CType.U32.withName("free"),
            CType.U32.withName("armed"),
            CType.U32.withName("filled"),
            CType.U32.withName("lent"),
            CType.U32.withName("quarantined"),
            CType.U32.withName("reserved"),
            CType.ALIGNED_U64.withName("frames"),
            CType.ALIGNED_U64.withName("bytes"),
            CType.ALIGNED_U64.withName("lost"),
            CType.ALIGNED_U64.withName("starved"),
            CType.ALIGNED_U64.withName("quarantines"),
            CType.ALIGNED_U64.withName("errors"),
            CType.ALIGNED_U64.withName("sequence"),
            CType.ALIGNED_U64.withName("position"));
    private static final long FREE = CType.offset(LAYOUT, "free");
    private static final long ARMED = CType.offset(LAYOUT, "armed");
    private static final long FILLED = CType.offset(LAYOUT, "filled");
    private static final long LENT = CType.offset(LAYOUT, "lent");
    private static final long QUARANTINED = CType.offset(LAYOUT, "quarantined");
    private static final long FRAMES = CType.offset(LAYOUT, "frames");
    private static final long BYTES = CType.offset(LAYOUT, "bytes");
    private static final long LOST = CType.offset(LAYOUT, "lost");
    private static final long STARVED = CType.offset(LAYOUT, "starved");
    private static final long QUARANTINES = CType.offset(LAYOUT, "quarantines");
    private static final long ERRORS = CType.offset(LAYOUT, "errors");
    private static final long SEQUENCE = CType.offset(LAYOUT, "sequence");
    private static final long POSITION = CType.offset(LAYOUT, "position");

    private SluiceCounts() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    public static MemorySegment allocate(Arena arena) {
        return arena.allocate(LAYOUT);
    }

    public static int free(MemorySegment counts) {
        return counts.get(JAVA_INT, FREE);
    }

    public static int armed(MemorySegment counts) {
        return counts.get(JAVA_INT, ARMED);
    }

    public static int filled(MemorySegment counts) {
        return counts.get(JAVA_INT, FILLED);
    }

    public static int lent(MemorySegment counts) {
        return counts.get(JAVA_INT, LENT);
    }

    public static int quarantined(MemorySegment counts) {
        return counts.get(JAVA_INT, QUARANTINED);
    }

    /** Frames filled. */
    public static long frames(MemorySegment counts) {
        return counts.get(JAVA_LONG, FRAMES);
    }

    /** Valid bytes in them. */
    public static long bytes(MemorySegment counts) {
        return counts.get(JAVA_LONG, BYTES);
    }

    /** Bytes lost, as far as the DMA engine tells. */
    public static long lost(MemorySegment counts) {
        return counts.get(JAVA_LONG, LOST);
    }

    /** Nanoseconds in which no buffer was armed. */
    public static long starved(MemorySegment counts) {
        return counts.get(JAVA_LONG, STARVED);
    }

    /** Releases of buffers that were still in use. */
    public static long quarantines(MemorySegment counts) {
        return counts.get(JAVA_LONG, QUARANTINES);
    }

    /** Transfers that failed. */
    public static long errors(MemorySegment counts) {
        return counts.get(JAVA_LONG, ERRORS);
    }

    /** Of the frame that is read next. */
    public static long sequence(MemorySegment counts) {
        return counts.get(JAVA_LONG, SEQUENCE);
    }

    /** Where the frame that is read next begins, or what was lost before it. */
    public static long position(MemorySegment counts) {
        return counts.get(JAVA_LONG, POSITION);
    }
}
