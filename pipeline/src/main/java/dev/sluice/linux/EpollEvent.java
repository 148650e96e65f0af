// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct epoll_event} of {@code <sys/epoll.h>}, which is packed on x86-64 only. */
final class EpollEvent {

    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");

    private static final StructLayout LAYOUT = PACKED
            ? MemoryLayout.structLayout(CType.INT.withName("events"), JAVA_LONG_UNALIGNED.withName("data"))
                    .withName("epoll_event")
            : CType.struct("epoll_event", CType.INT.withName("events"), CType.LONG_LONG.withName("data"));
    private static final long EVENTS = CType.offset(LAYOUT, "events");
    private static final long DATA = CType.offset(LAYOUT, "data");

    private EpollEvent() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    static MemorySegment allocateArray(Arena arena, int elements) {
        return arena.allocate(LAYOUT.byteSize() * elements, Long.BYTES);
    }

    static void set(MemorySegment event, int events, long data) {
        event.set(JAVA_INT, EVENTS, events);
        event.set(JAVA_LONG_UNALIGNED, DATA, data);
    }

    static int events(MemorySegment array, int index) {
        return array.get(JAVA_INT, index * LAYOUT.byteSize() + EVENTS);
    }

    static long data(MemorySegment array, int index) {
        return array.get(JAVA_LONG_UNALIGNED, index * LAYOUT.byteSize() + DATA);
    }
}
