// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.nio.ByteBuffer;

/** {@code struct iovec} of {@code <sys/uio.h>}: one stretch of memory of a gathered send; kept as arrays. */
public final class Iovec {

    private static final StructLayout LAYOUT =
            CType.struct("iovec", CType.POINTER.withName("iov_base"), CType.SIZE_T.withName("iov_len"));
    private static final long BASE = CType.offset(LAYOUT, "iov_base");
    private static final long LENGTH = CType.offset(LAYOUT, "iov_len");

    private Iovec() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    public static MemorySegment allocateArray(Arena arena, int elements) {
        return arena.allocate(LAYOUT.byteSize() * elements, LAYOUT.byteAlignment());
    }

    /** Element {@code index} of an array becomes {@code lengthBytes} bytes at {@code address}. */
    public static void set(MemorySegment array, int index, long address, long lengthBytes) {
        long at = index * LAYOUT.byteSize();
        CType.putWord(array, at + BASE, address);
        CType.putWord(array, at + LENGTH, lengthBytes);
    }

    public static long address(MemorySegment array, int index) {
        return CType.getWord(array, index * LAYOUT.byteSize() + BASE);
    }

    public static long length(MemorySegment array, int index) {
        return CType.getWord(array, index * LAYOUT.byteSize() + LENGTH);
    }

    /** Copies bytes of element {@code index}, from its start, as many as it has and fit: bytes. */
    @SuppressWarnings("restricted") // the element says how long the memory at its address is
    public static int copy(MemorySegment array, int index, ByteBuffer into) {
        int bytes = (int) Math.min(length(array, index), into.remaining());
        MemorySegment from = MemorySegment.ofAddress(address(array, index)).reinterpret(bytes);
        into.put(from.asByteBuffer());
        return bytes;
    }

    /** The address of element {@code index}, for {@code msg_iov} to start there. */
    public static long elementAddress(MemorySegment array, int index) {
        return array.address() + index * LAYOUT.byteSize();
    }
}
