// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct sluice_config} of {@code <linux/sluice.h>}: what SLUICE_CONFIGURE makes of a device. */
public final class SluiceConfig {

    private static final StructLayout LAYOUT = CType.struct(
            "sluice_config",
            CType.ALIGNED_U64.withName("buffer_bytes"),
            CType.U32.withName("buffer_count"),
            CType.U32.withName("clock"),
            CType.U32.withName("flags"),
            MemoryLayout.sequenceLayout(3, CType.U32).withName("reserved"));
    private static final long BUFFER_BYTES = CType.offset(LAYOUT, "buffer_bytes");
    private static final long BUFFER_COUNT = CType.offset(LAYOUT, "buffer_count");
    private static final long CLOCK = CType.offset(LAYOUT, "clock");
    private static final long FLAGS = CType.offset(LAYOUT, "flags");

    private SluiceConfig() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    /**
     * A configuration, what is reserved in it zeroed.
     *
     * @param clock CLOCK_… that frames get their time from
     * @param flags SLUICE_KEEP or 0
     */
    public static MemorySegment allocate(Arena arena, long bufferBytes, int bufferCount, int clock, int flags) {
        MemorySegment config = arena.allocate(LAYOUT);
        config.set(JAVA_LONG, BUFFER_BYTES, bufferBytes);
        config.set(JAVA_INT, BUFFER_COUNT, bufferCount);
        config.set(JAVA_INT, CLOCK, clock);
        config.set(JAVA_INT, FLAGS, flags);
        return config;
    }
}
