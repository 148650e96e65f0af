// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a frame costs the garbage collector once the pipeline is warm: bytes allocated by all its threads, divided by the
 * frames they carried. Our own code makes no object per frame; what remains is a message of Pekko's for each event of the
 * reactor, of which there is at most one per wait for the socket or the device.
 */
class AllocationIT {

    private static final int WARM_UP_FRAMES = 20_000;
    private static final int MEASURED_FRAMES = 20_000;

    /** A few messages of Pekko's; a buffer, a list or an iterator per frame and slice would be above it. */
    private static final double MOST_BYTES_PER_FRAME = 250;

    @ParameterizedTest(name = "transport = {0}")
    @CsvSource({"copy, ''", "zerocopy, ''", "uring, ''", "copy, 'offset = 1KiB, length = 8KiB, every = 16KiB'"})
    void allocatesNextToNothingPerFrame(String transport, String window) throws Exception {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (ServerSocketChannel server = ServerSocketChannel.open().bind(any)) {
            Thread.ofPlatform().daemon().start(() -> discard(server));
            int port = ((InetSocketAddress) server.getLocalAddress()).getPort();
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                    sluice {
                      sources { fpga { type = simulated, buffer-size = 64KiB, buffers = 32 } }
                      %s
                      sinks { out {
                        type = tcp, from = %s, connect = "127.0.0.1:%d", framing = raw
                        transport = %s, plain-after-copied = 0, zerocopy-threshold = 0
                      } }
                    }
                    """.formatted(
                            window.isEmpty() ? "" : "filters { w { type = window, from = fpga, " + window + " } }",
                            window.isEmpty() ? "fpga" : "w",
                            port,
                            transport)));
            awaitFrames(system, WARM_UP_FRAMES);
            double perFrame = allocatedPerFrame(system);
            system.drain();
            CompletableFuture<Outcome> ended = system.outcome();
            ended.get(1, TimeUnit.MINUTES);

            System.out.printf(
                    "allocated per frame of 64 KiB, transport = %s, %s: %.0f bytes%n",
                    transport, window.isEmpty() ? "no filter" : "window filter", perFrame);
            assertThat(perFrame).isLessThan(MOST_BYTES_PER_FRAME);
        }
    }

    private static void awaitFrames(PipelineSystem system, long frames) {
        while (system.counters().source("fpga").frames.value() < frames) {
            assertThat(system.outcome()).isNotDone();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
    }

    private static double allocatedPerFrame(PipelineSystem system) {
        while (true) {
            long frames = system.counters().source("fpga").frames.value();
            Map<Long, Long> before = allocatedByPipeline();
            awaitFrames(system, frames + MEASURED_FRAMES);
            Map<Long, Long> after = allocatedByPipeline();
            // A dispatcher's idle thread may end, and its count is gone with it: then this measured nothing.
            if (after.keySet().containsAll(before.keySet())) {
                after.forEach((thread, bytes) -> before.merge(thread, -bytes, Long::sum));
                long allocated =
                        -before.values().stream().mapToLong(Long::longValue).sum();
                return (double) allocated
                        / (system.counters().source("fpga").frames.value() - frames);
            }
        }
    }

    /** By thread. */
    private static Map<Long, Long> allocatedByPipeline() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        Map<Long, Long> allocated = new HashMap<>();
        for (long id : threads.getAllThreadIds()) {
            var info = threads.getThreadInfo(id);
            if (info != null && info.getThreadName().matches("(sluice-pekko|reactor|dma-engine).*")) {
                allocated.put(id, threads.getThreadAllocatedBytes(id));
            }
        }
        return allocated;
    }

    private static void discard(ServerSocketChannel server) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        try (SocketChannel connection = server.accept()) {
            while (connection.read(buffer.clear()) >= 0) {
                // only to make room
            }
        } catch (IOException gone) {
            // so is the test
        }
    }
}
