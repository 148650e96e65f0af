// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import dev.sluice.metrics.DeviceCounts;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.security.SecureRandom;

/** What the devices without a driver have in common: a mapping, and a ledger of who owns its buffers. */
abstract sealed class StandInDevice implements BufferDevice
        permits SimulatedDevice, ReplayDevice, FedDevice, MappedDevice {

    final String name;
    final BufferLedger ledger;
    private final SharedMemory mapping;
    private final int bufferCount;
    private final long bufferBytes;
    private final long identity;

    /** One whose bytes no other device will ever have again. */
    StandInDevice(String name, SharedMemory mapping, int bufferCount, long bufferBytes) throws LinuxException {
        this(name, mapping, bufferCount, bufferBytes, new SecureRandom().nextLong());
    }

    StandInDevice(String name, SharedMemory mapping, int bufferCount, long bufferBytes, long identity)
            throws LinuxException {
        this.name = name;
        this.mapping = mapping;
        this.bufferCount = bufferCount;
        this.bufferBytes = bufferBytes;
        this.identity = identity;
        ledger = new BufferLedger(bufferCount);
    }

    /** A buffer came back and is FREE: what the engine does with it. */
    abstract void rearm(int buffer) throws IOException;

    @Override
    public String name() {
        return name;
    }

    @Override
    public int bufferCount() {
        return bufferCount;
    }

    @Override
    public long bufferBytes() {
        return bufferBytes;
    }

    @Override
    public MemorySegment memory() {
        return mapping.segment();
    }

    @Override
    public int readyFd() {
        return ledger.readyFd();
    }

    @Override
    public int acquire(FrameBatch into) throws IOException {
        return ledger.lend(into);
    }

    @Override
    public boolean ended() {
        return ledger.ended();
    }

    @Override
    public void release(int[] buffers, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            if (!ledger.release(buffers[i])) {
                throw BufferLedger.notLent(buffers[i], name);
            }
            rearm(buffers[i]);
        }
    }

    @Override
    public long identity() {
        return identity;
    }

    @Override
    public long firstPosition() {
        return 0;
    }

    @Override
    public long firstSequence() {
        return 0;
    }

    @Override
    public boolean outlivesProcess() {
        return false;
    }

    @Override
    public DeviceCounts counts() {
        return ledger.counts();
    }

    @Override
    public void close() {
        stop();
        mapping.close();
        ledger.close();
    }
}
