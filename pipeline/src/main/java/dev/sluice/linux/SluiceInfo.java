// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct sluice_info} of {@code <linux/sluice.h>}: what SLUICE_INFO says about a device. */
public final class SluiceInfo {

    private static final StructLayout LAYOUT = CType.struct(
            "sluice_info",
            CType.U32.withName("abi"),
            CType.U32.withName("state"),
            CType.U32.withName("capabilities"),
            CType.U32.withName("buffer_count"),
            CType.ALIGNED_U64.withName("buffer_bytes"),
            CType.U32.withName("clock"),
            CType.U32.withName("flags"),
            CType.ALIGNED_U64.withName("ring"),
            MemoryLayout.sequenceLayout(2, CType.U32).withName("reserved"));
    private static final long ABI = CType.offset(LAYOUT, "abi");
    private static final long STATE = CType.offset(LAYOUT, "state");
    private static final long CAPABILITIES = CType.offset(LAYOUT, "capabilities");
    private static final long BUFFER_COUNT = CType.offset(LAYOUT, "buffer_count");
    private static final long BUFFER_BYTES = CType.offset(LAYOUT, "buffer_bytes");
    private static final long CLOCK = CType.offset(LAYOUT, "clock");
    private static final long FLAGS = CType.offset(LAYOUT, "flags");
    private static final long RING = CType.offset(LAYOUT, "ring");

    private SluiceInfo() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    public static MemorySegment allocate(Arena arena) {
        return arena.allocate(LAYOUT);
    }

    /** SLUICE_ABI of the driver. */
    public static int abi(MemorySegment info) {
        return info.get(JAVA_INT, ABI);
    }

    /** SLUICE_STOPPED or SLUICE_RUNNING. */
    public static int state(MemorySegment info) {
        return info.get(JAVA_INT, STATE);
    }

    /** SLUICE_CAP_… that hold, or-ed. */
    public static int capabilities(MemorySegment info) {
        return info.get(JAVA_INT, CAPABILITIES);
    }

    public static int bufferCount(MemorySegment info) {
        return info.get(JAVA_INT, BUFFER_COUNT);
    }

    public static long bufferBytes(MemorySegment info) {
        return info.get(JAVA_LONG, BUFFER_BYTES);
    }

    /** CLOCK_… that frames get their time from. */
    public static int clock(MemorySegment info) {
        return info.get(JAVA_INT, CLOCK);
    }

    /** SLUICE_KEEP or 0; of a device that was only opened so far, whether its ring was kept. */
    public static int flags(MemorySegment info) {
        return info.get(JAVA_INT, FLAGS);
    }

    /** Names the ring that sequences and positions count in; 0 if there was none so far. */
    public static long ring(MemorySegment info) {
        return info.get(JAVA_LONG, RING);
    }
}
