// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/** What a transport does to a transfer, a step at a time, for tests of those who make transfers. */
public final class Kernel {

    private Kernel() {}

    /** Takes the next bytes, as many as there are up to {@code most}, and gives a copy of them. */
    public static MemorySegment take(Transfer transfer, long most) {
        int bytes = (int) Math.min(most, transfer.leftBytes());
        MemorySegment copy = Arena.ofAuto().allocate(bytes, Long.BYTES);
        ByteBuffer into = copy.asByteBuffer();
        transfer.copyTo(into);
        transfer.advance(bytes);
        return copy;
    }

    /** The same by reference: it is to be let go of. */
    public static MemorySegment refer(Transfer transfer, long most) {
        transfer.sendIssued();
        return take(transfer, most);
    }

    /** Lets go of what it took with one call of {@link #refer}. */
    public static void letGo(Transfer transfer) {
        transfer.sendSettled();
    }
}
