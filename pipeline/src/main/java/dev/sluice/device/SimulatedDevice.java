// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A device without hardware: memfd pages, and a thread that plays the DMA engine. With a rate it produces on time, armed
 * buffer or not, and what finds none is lost and counted; without one it waits for buffers and loses nothing.
 *
 * <p>If the thread itself was held up (the process was stopped, the processors were busy), it makes up for it at once:
 * the armed buffers are filled and what does not fit them is lost, as hardware would have done meanwhile.
 */
public final class SimulatedDevice extends StandInDevice {

    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long LONGEST_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /**
     * What to simulate.
     *
     * @param bufferBytes size of a buffer, a multiple of 8
     * @param buffers how many
     * @param bytesPerSecond rate of production; 0: as fast as buffers come back
     * @param frames ends after that many frames; 0: never
     * @param shortFrames share of frames, 0 to 1, that end early, at a random multiple of 8 bytes
     * @param seed of the random lengths
     * @param poison whether a buffer is overwritten with {@link Pattern#POISON} the moment it is released
     */
    public record Settings(
            long bufferBytes,
            int buffers,
            long bytesPerSecond,
            long frames,
            double shortFrames,
            long seed,
            boolean poison) {}

    private final Settings settings;
    private volatile boolean halted;
    private @Nullable Thread engine;

    public SimulatedDevice(String name, Settings settings) throws LinuxException {
        super(
                name,
                SharedMemory.anonymous("sluice-" + name, settings.bufferBytes() * settings.buffers()),
                settings.buffers(),
                settings.bufferBytes());
        this.settings = settings;
        // The first touch of a page is slow; a DMA engine knows no page faults.
        write(0, memory().byteSize(), 0, 0);
    }

    @Override
    public void start() {
        ledger.start();
        for (int buffer = 0; buffer < settings.buffers(); buffer++) {
            ledger.arm(buffer);
        }
        engine = Thread.ofPlatform().name("dma-engine-" + name).daemon().start(this::produce);
    }

    @Override
    public void stop() {
        halted = true;
        ledger.stop();
        Thread running = engine;
        if (running != null) {
            LockSupport.unpark(running);
        }
    }

    /** Also waits for the engine: it may be in the middle of a buffer, and the memory goes next. */
    @Override
    public void close() {
        stop();
        Thread running = engine;
        boolean interrupted = false;
        while (running != null && running.isAlive()) {
            try {
                running.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        super.close();
    }

    @Override
    void rearm(int buffer) {
        if (settings.poison()) {
            write(buffer * settings.bufferBytes(), settings.bufferBytes(), Pattern.POISON, 0);
        }
        ledger.arm(buffer);
    }

    /** The DMA engine: frame after frame, each due when its last byte would have come. */
    private void produce() {
        Random random = new Random(settings.seed());
        long position = 0;
        long began = System.nanoTime();
        try {
            long bytes = nextLength(random);
            for (long made = 0; !halted && (settings.frames() == 0 || made < settings.frames()); ) {
                if (settings.bytesPerSecond() > 0) {
                    sleepUntil(began + nanos(position + bytes));
                } else {
                    ledger.awaitArmed(LONGEST_WAIT_NANOS);
                }
                int buffer = ledger.armedNext();
                if (buffer >= 0) {
                    write(buffer * settings.bufferBytes(), bytes, Pattern.word(position), 1);
                    ledger.fill(buffer, buffer * settings.bufferBytes(), bytes);
                    made++;
                } else if (settings.bytesPerSecond() > 0 && !halted) {
                    ledger.lose(bytes, nanos(bytes));
                } else {
                    continue; // nothing was produced: the same frame is tried again
                }
                position += bytes;
                bytes = nextLength(random);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            ledger.end(); // however the engine stopped, nobody shall wait for its next frame
        }
    }

    private long nextLength(Random random) {
        if (settings.shortFrames() > 0 && random.nextDouble() < settings.shortFrames()) {
            return 8 * random.nextLong(1, settings.bufferBytes() / 8 + 1);
        }
        return settings.bufferBytes();
    }

    /** When that many bytes have come, in ns from the start; as a double, since bytes · 10^9 overflows after 9 GB. */
    private long nanos(long bytes) {
        return (long) (1e9 * bytes / settings.bytesPerSecond());
    }

    private void sleepUntil(long nanoTime) {
        for (long left; !halted && (left = nanoTime - System.nanoTime()) > 0; ) {
            LockSupport.parkNanos(Math.min(left, LONGEST_WAIT_NANOS));
        }
    }

    private void write(long offset, long bytes, long first, long step) {
        MemorySegment buffer = memory().asSlice(offset, bytes);
        long word = first;
        for (long at = 0; at < bytes; at += Long.BYTES) {
            buffer.set(WORD, at, word);
            word += step;
        }
    }
}
