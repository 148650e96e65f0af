// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.device.FifoDevice;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Somebody else's device as a source: a protocol from outside, its memory mapped, sent and released. */
class MappedIT {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int BUFFERS = 4;
    private static final int BUFFER_BYTES = 16 << 10;
    private static final int FRAMES = 300;

    @TempDir
    private Path folder;

    @Test
    void framesOfAnotherDriversDeviceArriveWithWhatItLost() throws Exception {
        System.out.println("seed " + SEED);
        Receiver.Options options = new Receiver.Options(Framing.SLUICE, true, null, false);
        try (FifoDevice engine = new FifoDevice(folder, BUFFERS, BUFFER_BYTES);
                Receiver receiver = new Receiver(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), options)) {
            CompletableFuture<Report> report = CompletableFuture.supplyAsync(receiver::receive, MappedIT::start);
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                    sluice {
                      sources.other { type = mapped, protocol = fifo, device = "%s", buffers = %d, buffer-size = %d }
                      sinks.out { type = tcp, from = other, connect = "127.0.0.1:%d", transport = zerocopy }
                    }
                    """.formatted(
                    engine.path(), BUFFERS, BUFFER_BYTES, receiver.address().getPort())));
            CompletableFuture<Long> lost = CompletableFuture.supplyAsync(() -> play(engine), MappedIT::start);
            Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

            assertThat(outcome.failure()).isNull();
            Report received = report.get(1, TimeUnit.MINUTES);
            assertThat(received.problem()).isEmpty();
            assertThat(received.frames()).isEqualTo(FRAMES);
            assertThat(received.wrongBytes()).isZero();
            assertThat(received.lostBytes()).isEqualTo(lost.get()).isPositive();
            assertThat(received.skippedBytes()).isZero();
            DeviceCounts device = system.counters().source("other").device();
            assertThat(device.lent()).isZero();
            assertThat(device.lostBytes()).isEqualTo(lost.get());
        }
    }

    /** Each a thread of its own: the common pool may have one only, and both wait. */
    private static void start(Runnable task) {
        Thread.ofPlatform().daemon().start(task);
    }

    /** The engine: a counter pattern of words, some of them lost. Returns how many bytes. */
    private static long play(FifoDevice engine) {
        try {
            Random random = new Random(SEED);
            long position = 0;
            long lost = 0;
            for (int frame = 0; frame < FRAMES; frame++) {
                if (random.nextInt(10) == 0) {
                    long gap = 8L * (1 + random.nextInt(1000));
                    engine.lose(gap);
                    lost += gap;
                    position += gap;
                }
                ByteBuffer words = ByteBuffer.allocate(8 * (1 + random.nextInt(BUFFER_BYTES / 8)))
                        .order(ByteOrder.LITTLE_ENDIAN);
                while (words.hasRemaining()) {
                    words.putLong(position / 8);
                    position += 8;
                }
                engine.fill(engine.nextArmed(), words.array());
            }
            engine.end();
            return lost;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
