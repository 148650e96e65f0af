// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.concurrent.TimeUnit;

/**
 * A regular file as a device: mapped, and served as frames of equal size (the last one may be shorter), once or over and
 * over. A frame's memory is the page cache itself, so nothing is read ahead of need or copied.
 */
public final class ReplayDevice extends StandInDevice {

    /**
     * What to replay.
     *
     * @param path a regular file that is not empty
     * @param frameBytes size of a frame
     * @param buffers most frames lent at once
     * @param loop whether to begin again at the end
     */
    public record Settings(Path path, long frameBytes, int buffers, boolean loop) {}

    private final Settings settings;
    private boolean running;
    private long nextOffset;

    public ReplayDevice(String name, Settings settings) throws IOException {
        super(name, map(settings.path()), settings.buffers(), settings.frameBytes(), identity(settings));
        this.settings = settings;
    }

    /**
     * The same as long as the file is, as far as one can tell without reading it, and its frames are cut the same way. A
     * later process that replays it is then known to have the same bytes.
     */
    private static long identity(Settings settings) throws IOException {
        Path real = settings.path().toRealPath();
        String described = String.join(
                "\0",
                real.toString(),
                String.valueOf(Files.size(real)),
                String.valueOf(Files.getLastModifiedTime(real).to(TimeUnit.NANOSECONDS)),
                String.valueOf(settings.frameBytes()),
                String.valueOf(settings.loop()));
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(described.getBytes(StandardCharsets.UTF_8));
            return ByteBuffer.wrap(hash).getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static SharedMemory map(Path path) throws IOException {
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
        return SharedMemory.file(path, size);
    }

    @Override
    public boolean releasesEarly() {
        return true; // the file is only read
    }

    @Override
    public void start() {
        running = true;
        ledger.start();
        for (int buffer = 0; buffer < settings.buffers(); buffer++) {
            rearm(buffer);
        }
    }

    @Override
    public void stop() {
        running = false;
        ledger.stop();
    }

    /** The engine's part: the next stretch of the file goes with this buffer. */
    @Override
    void rearm(int buffer) {
        long size = memory().byteSize();
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
}
