// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import java.lang.foreign.MemorySegment;

/**
 * A device whose frames the program supplies itself, one by one. A buffer is overwritten with {@code 0xdb} bytes the
 * moment it is released: whoever reads it later reads that. One thread.
 */
public final class FedDevice extends StandInDevice {

    /** What a released buffer is filled with. */
    public static final byte POISON = (byte) 0xdb;

    /** @param bufferBytes a multiple of the page size */
    public FedDevice(String name, int buffers, long bufferBytes) throws LinuxException {
        super(name, SharedMemory.anonymous("sluice-" + name, buffers * bufferBytes), buffers, bufferBytes);
    }

    /**
     * Fills the next armed buffer.
     *
     * @param bytes the frame, at most a buffer long
     * @param lostBytes lost before it
     * @param timeNanos when it was completed, in nanoseconds since 1970-01-01 UTC
     * @return false if no buffer is armed, and nothing was done
     */
    public boolean fill(MemorySegment bytes, long lostBytes, long timeNanos) {
        int buffer = ledger.armedNext();
        if (buffer < 0) {
            return false;
        }
        ledger.lose(lostBytes, 0);
        long offset = buffer * bufferBytes();
        memory().asSlice(offset, bufferBytes()).copyFrom(bytes);
        ledger.fill(buffer, offset, bytes.byteSize(), timeNanos);
        return true;
    }

    @Override
    public void start() {
        ledger.start();
        for (int buffer = 0; buffer < bufferCount(); buffer++) {
            ledger.arm(buffer);
        }
    }

    @Override
    public void stop() {
        ledger.stop();
    }

    @Override
    void rearm(int buffer) {
        memory().asSlice(buffer * bufferBytes(), bufferBytes()).fill(POISON);
        ledger.arm(buffer);
    }
}
