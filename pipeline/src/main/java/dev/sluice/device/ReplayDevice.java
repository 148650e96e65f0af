// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import dev.sluice.metrics.DeviceCounts;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A regular file as a device: mapped, and served as frames of equal size (the last one may be shorter), once or over and
 * over. A frame's memory is the page cache itself, so nothing is read ahead of need or copied.
 */
public final class ReplayDevice implements BufferDevice {

    /**
     * What to replay.
     *
     * @param path a regular file that is not empty
     * @param frameBytes size of a frame
     * @param buffers most frames lent at once
     * @param loop whether to begin again at the end
     */
    public record Settings(Path path, long frameBytes, int buffers, boolean loop) {}

    private final String name;
    private final Settings settings;
    private final SharedMemory memory;
    private final BufferLedger ledger;
    private boolean running;
    private long nextOffset;

    public ReplayDevice(String name, Settings settings) throws IOException {
        this.name = name;
        this.settings = settings;
        Path path = settings.path();
        if (!Files.exists(path)) {
            throw new LinuxException("replay of " + path, Constants.ENOENT);
        }
        if (!Files.isRegularFile(path)) {
            throw new IOException("replay of " + path + ": it is not a regular file");
        }
        long size = Files.size(path);
        if (size == 0) {
            throw new IOException("replay of " + path + ": the file is empty");
        }
        memory = SharedMemory.file(path, size);
        ledger = new BufferLedger(settings.buffers());
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public int bufferCount() {
        return settings.buffers();
    }

    @Override
    public long bufferBytes() {
        return settings.frameBytes();
    }

    @Override
    public MemorySegment memory() {
        return memory.segment();
    }

    @Override
    public int readyFd() {
        return ledger.readyFd();
    }

    @Override
    public void start() {
        running = true;
        ledger.start();
        for (int buffer = 0; buffer < settings.buffers(); buffer++) {
            serve(buffer);
        }
    }

    @Override
    public void stop() {
        running = false;
        ledger.stop();
    }

    /** The engine's part: the next stretch of the file goes with this buffer. */
    private void serve(int buffer) {
        long size = memory.segment().byteSize();
        if (nextOffset == size && settings.loop()) {
            nextOffset = 0;
        }
        if (!running || nextOffset == size) {
            return;
        }
        long bytes = Math.min(settings.frameBytes(), size - nextOffset);
        ledger.arm(buffer);
        ledger.fill(buffer, nextOffset, bytes);
        nextOffset += bytes;
        if (nextOffset == size && !settings.loop()) {
            ledger.end();
        }
    }

    @Override
    public int acquire(FrameBatch into) {
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
            serve(buffers[i]);
        }
    }

    @Override
    public DeviceCounts counts() {
        return ledger.counts();
    }

    @Override
    public void close() {
        stop();
        memory.close();
        ledger.close();
    }
}
