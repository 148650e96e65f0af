// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct io_uring_params} of {@code <linux/io_uring.h>}: what is asked of a ring, and where its parts are. */
final class IoUringParams {

    private static final StructLayout LAYOUT = CType.struct(
            "io_uring_params",
            CType.U32.withName("sq_entries"),
            CType.U32.withName("cq_entries"),
            CType.U32.withName("flags"),
            CType.U32.withName("sq_thread_cpu"),
            CType.U32.withName("sq_thread_idle"),
            CType.U32.withName("features"),
            CType.U32.withName("wq_fd"),
            CType.U32.withName("resv[0]"),
            CType.U32.withName("resv[1]"),
            CType.U32.withName("resv[2]"),
            CType.U32.withName("sq_off.head"),
            CType.U32.withName("sq_off.tail"),
            CType.U32.withName("sq_off.ring_mask"),
            CType.U32.withName("sq_off.ring_entries"),
            CType.U32.withName("sq_off.flags"),
            CType.U32.withName("sq_off.dropped"),
            CType.U32.withName("sq_off.array"),
            CType.U32.withName("sq_off.resv1"),
            CType.ALIGNED_U64.withName("sq_off.resv2"),
            CType.U32.withName("cq_off.head"),
            CType.U32.withName("cq_off.tail"),
            CType.U32.withName("cq_off.ring_mask"),
            CType.U32.withName("cq_off.ring_entries"),
            CType.U32.withName("cq_off.overflow"),
            CType.U32.withName("cq_off.cqes"),
            CType.U32.withName("cq_off.flags"),
            CType.U32.withName("cq_off.resv1"),
            CType.ALIGNED_U64.withName("cq_off.resv2"));

    private IoUringParams() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    /** Asks for so many entries of completions; what is more than the kernel gives is cut down. */
    static MemorySegment allocate(Arena arena, int completions) {
        MemorySegment params = arena.allocate(LAYOUT);
        params.set(
                JAVA_INT, CType.offset(LAYOUT, "flags"), Constants.IORING_SETUP_CQSIZE | Constants.IORING_SETUP_CLAMP);
        params.set(JAVA_INT, CType.offset(LAYOUT, "cq_entries"), completions);
        return params;
    }

    static int get(MemorySegment params, String member) {
        return params.get(JAVA_INT, CType.offset(LAYOUT, member));
    }
}
