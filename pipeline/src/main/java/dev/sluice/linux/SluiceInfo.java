// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

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
            MemoryLayout.sequenceLayout(4, CType.U32).withName("reserved"));
    private static final long ABI = CType.offset(LAYOUT, "abi");
    private static final long STATE = CType.offset(LAYOUT, "state");
    private static final long CAPABILITIES = CType.offset(LAYOUT, "capabilities");

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
}
