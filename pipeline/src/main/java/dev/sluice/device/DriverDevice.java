// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import dev.sluice.linux.SluiceConfig;
import dev.sluice.linux.SluiceCounts;
import dev.sluice.linux.SluiceFrame;
import dev.sluice.linux.SluiceInfo;
import dev.sluice.metrics.DeviceCounts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's device, {@code /dev/sluiceN}: the calls of {@code <linux/sluice.h>} on one descriptor. Who owns a buffer
 * is the driver's to know; nothing of that is kept here.
 *
 * <p>A device may go while it is open (unbound, the FPGA programmed anew). Its memory stays mapped, so what is lent can
 * still be sent; giving that back then means nothing and is no error. {@link #acquire} is where it is told: by then
 * there is nothing else to be done.
 *
 * <p>With {@code keep} the ring is there before and after this process: the next one that opens it with the same buffers
 * goes on where this one ended, however it did.
 */
public final class DriverDevice implements BufferDevice {

    /**
     * What to open, and what to make of it.
     *
     * @param path the device's file
     * @param bufferBytes size of a buffer, a whole number of pages
     * @param buffers how many
     * @param keep whether the ring outlives the process
     */
    public record Settings(Path path, long bufferBytes, int buffers, boolean keep) {}

    /** The header of the wire has nanoseconds since 1970. */
    private static final int CLOCK = Constants.CLOCK_REALTIME;

    private static final Logger LOG = LoggerFactory.getLogger(DriverDevice.class);

    private final String name;
    private final Settings settings;
    private final int fd;
    private final boolean tellsLoss;
    private final boolean registrable;
    private final long ring;
    private final SharedMemory mapping;
    private final long firstPosition;
    private final long firstSequence;

    // The stream's thread alone. Freed by the garbage collector, like the segment below: none can be in use then.
    private final MemorySegment frames;
    private final MemorySegment releases;
    private boolean ended;

    private final Object counting = new Object();

    // Under the lock, by any thread; so that none asks a descriptor that is closed, and may be another's by then.
    private final MemorySegment answer = SluiceCounts.allocate(Arena.ofAuto());
    private DeviceCounts counts;
    private boolean closed;

    private DriverDevice(String name, Settings settings, int fd, int capabilities, long ring, SharedMemory mapping)
            throws IOException {
        this.name = name;
        this.settings = settings;
        this.fd = fd;
        tellsLoss = (capabilities & Constants.SLUICE_CAP_LOSS) != 0;
        registrable = (capabilities & Constants.SLUICE_CAP_REGISTER) != 0;
        this.ring = ring;
        this.mapping = mapping;
        frames = SluiceFrame.allocateArray(Arena.ofAuto(), settings.buffers());
        releases = Arena.ofAuto().allocate(ValueLayout.JAVA_INT, settings.buffers());
        LinuxException.check(control(fd, Constants.SLUICE_COUNTS, answer), "counts of " + settings.path());
        counts = read(answer);
        firstPosition = SluiceCounts.position(answer);
        firstSequence = SluiceCounts.sequence(answer);
    }

    /**
     * Opens a device, gives it its buffers and maps them. Allocating them may take a while. A ring that was kept, is to be
     * kept and has these buffers already stays as it is, and may be running.
     *
     * @param name how messages of the pipeline name it
     * @throws IOException with one sentence that says why not, and what to do
     */
    public static DriverDevice open(String name, Settings settings) throws IOException {
        Path path = settings.path();
        int fd = open(path, Constants.O_RDWR);
        SharedMemory mapping = null;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = info(path, fd, arena);
            if ((SluiceInfo.capabilities(info) & Constants.SLUICE_CAP_PAGES) == 0) {
                LOG.warn(
                        "{} has memory that the network cannot send by reference, as its driver says: it will be copied",
                        path);
            }
            if ((SluiceInfo.flags(info) & Constants.SLUICE_KEEP) == 0) {
                configure(settings, fd, arena);
            } else {
                goOn(settings, fd, info, arena);
            }
            mapping = map(settings, fd);
            int capabilities = SluiceInfo.capabilities(info(path, fd, arena)); // of the buffers that there are now
            return new DriverDevice(name, settings, fd, capabilities, SluiceInfo.ring(info), mapping);
        } catch (IOException | RuntimeException e) {
            if (mapping != null) {
                mapping.close();
            }
            Libc.close(fd);
            throw e;
        }
    }

    /**
     * Looks whether a device could be opened, and leaves it as it is: also a ring that is kept for another user.
     *
     * @return whether its memory can be sent by reference
     * @throws IOException with one sentence that says why it cannot be opened
     */
    public static boolean probe(Path path) throws IOException {
        int fd = open(path, Constants.O_RDONLY);
        if (!Files.isWritable(path)) {
            Libc.close(fd);
            throw DriverProblem.opening(path, Constants.EACCES);
        }
        try (Arena arena = Arena.ofConfined()) {
            return (SluiceInfo.capabilities(info(path, fd, arena)) & Constants.SLUICE_CAP_PAGES) != 0;
        } finally {
            Libc.close(fd);
        }
    }

    private static int open(Path path, int access) throws IOException {
        if (Files.isRegularFile(path) || Files.isDirectory(path)) {
            throw DriverProblem.notADevice(path, Files.isDirectory(path) ? "a folder" : "a regular file");
        }
        int fd = Libc.open(path, access | Constants.O_NONBLOCK | Constants.O_CLOEXEC);
        if (fd < 0) {
            throw DriverProblem.opening(path, -fd);
        }
        return fd;
    }

    private static MemorySegment info(Path path, int fd, Arena arena) throws IOException {
        MemorySegment info = SluiceInfo.allocate(arena);
        int result = control(fd, Constants.SLUICE_INFO, info);
        if (result == -Constants.ENODEV) {
            throw DriverProblem.gone(path);
        }
        if (result < 0) { // ENOTTY; some drivers have other words for a request they do not know
            throw DriverProblem.notADevice(path, "another driver's (" + LinuxException.describe(-result) + ")");
        }
        if (SluiceInfo.abi(info) != Constants.SLUICE_ABI) {
            throw DriverProblem.version(path, SluiceInfo.abi(info));
        }
        return info;
    }

    /** The process before left its ring to this one. Only an engine that is stopped can be given other buffers, or flags. */
    private static void goOn(Settings settings, int fd, MemorySegment info, Arena arena) throws IOException {
        Path path = settings.path();
        MemorySegment answer = SluiceCounts.allocate(arena);
        boolean sameBuffers = SluiceInfo.bufferBytes(info) == settings.bufferBytes()
                && SluiceInfo.bufferCount(info) == settings.buffers();
        if (settings.keep() && sameBuffers && SluiceInfo.clock(info) == CLOCK) {
            LinuxException.check(control(fd, Constants.SLUICE_COUNTS, answer), "counts of " + path);
            LOG.info(
                    "{} was kept, {}: {} frames wait, and come first",
                    path,
                    SluiceInfo.state(info) == Constants.SLUICE_RUNNING ? "and runs" : "stopped",
                    SluiceCounts.filled(answer));
            return;
        }
        halt(path, fd);
        LinuxException.check(control(fd, Constants.SLUICE_COUNTS, answer), "counts of " + path);
        configure(settings, fd, arena);
        if (sameBuffers) {
            LOG.info(
                    "{} was kept, and is begun again: {} frames wait, and come first",
                    path,
                    SluiceCounts.filled(answer));
        } else {
            LOG.warn(
                    "{} was kept with {} buffers of {} bytes, and is to have {} of {}: {} frames that waited are lost",
                    path,
                    SluiceInfo.bufferCount(info),
                    SluiceInfo.bufferBytes(info),
                    settings.buffers(),
                    settings.bufferBytes(),
                    SluiceCounts.filled(answer));
        }
    }

    private static void configure(Settings settings, int fd, Arena arena) throws IOException {
        int flags = settings.keep() ? Constants.SLUICE_KEEP : 0;
        MemorySegment config = SluiceConfig.allocate(arena, settings.bufferBytes(), settings.buffers(), CLOCK, flags);
        int result = control(fd, Constants.SLUICE_CONFIGURE, config);
        if (result < 0) {
            throw DriverProblem.configuring(settings, -result);
        }
    }

    private static SharedMemory map(Settings settings, int fd) throws IOException {
        try {
            return SharedMemory.device(fd, settings.bufferBytes() * settings.buffers(), "mmap " + settings.path());
        } catch (LinuxException e) {
            throw e.errno() == Constants.ENOMEM ? DriverProblem.configuring(settings, e.errno()) : e;
        }
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
        return settings.bufferBytes();
    }

    @Override
    public boolean releasesEarly() {
        return true; // it keeps what is referred to in quarantine
    }

    @Override
    public boolean isRegistrable() {
        return registrable;
    }

    @Override
    public MemorySegment memory() {
        return mapping.segment();
    }

    @Override
    public int readyFd() {
        return fd;
    }

    /** A ring that was kept may run already. */
    @Override
    public void start() throws IOException {
        int result = control(fd, Constants.SLUICE_START, MemorySegment.NULL);
        if (result == -Constants.EALREADY && settings.keep()) {
            return;
        }
        if (result == -Constants.ENODEV) {
            throw DriverProblem.gone(settings.path());
        }
        LinuxException.check(result, "start of " + settings.path());
    }

    @Override
    public void stop() {
        if (!settings.keep()) {
            halt(settings.path(), fd);
        }
    }

    /** Also before it was started, and again: EALREADY then. One that is gone (ENODEV) has stopped by itself. */
    private static void halt(Path path, int fd) {
        int result = control(fd, Constants.SLUICE_STOP, MemorySegment.NULL);
        if (result < 0 && result != -Constants.EALREADY && result != -Constants.ENODEV) {
            LOG.warn("{} was not stopped: {}", path, LinuxException.describe(-result));
        }
    }

    @Override
    public int acquire(FrameBatch into) throws IOException {
        into.clear();
        long room = Math.min(into.capacity(), settings.buffers()) * SluiceFrame.BYTES;
        long read;
        do {
            read = Libc.read(fd, frames, room);
        } while (read == -Constants.EINTR);
        if (read == -Constants.ENODEV) {
            throw DriverProblem.gone(settings.path());
        }
        if (read < 0 && read != -Constants.EAGAIN) {
            throw new LinuxException("read of " + settings.path(), (int) -read);
        }
        ended = read == 0;
        for (int i = 0; i < read / SluiceFrame.BYTES; i++) {
            int buffer = SluiceFrame.buffer(frames, i);
            into.add(
                    buffer,
                    buffer * settings.bufferBytes(),
                    SluiceFrame.bytes(frames, i),
                    SluiceFrame.sequence(frames, i),
                    SluiceFrame.time(frames, i),
                    SluiceFrame.lost(frames, i),
                    SluiceFrame.position(frames, i));
        }
        return into.size();
    }

    /** A read of nothing is the driver's word for that: it is stopped, and every frame was lent. */
    @Override
    public boolean ended() {
        return ended;
    }

    @Override
    public void release(int[] buffers, int count) throws IOException {
        for (int done = 0; done < count; ) {
            int some = Math.min(count - done, settings.buffers());
            MemorySegment.copy(buffers, done, releases, ValueLayout.JAVA_INT, 0, some);
            long written = Libc.write(fd, releases, (long) some * Integer.BYTES);
            if (written == -Constants.ENODEV) {
                return; // there is nobody to give them to, and the next acquire says so
            }
            if (written == -Constants.EINVAL) {
                throw BufferLedger.notLent(buffers[done], name);
            }
            if (written < 0 && written != -Constants.EINTR) {
                throw new LinuxException("release to " + settings.path(), (int) -written);
            }
            // A short write ended before a buffer that is refused; the next one, which begins with it, tells.
            done += (int) (Math.max(0, written) / Integer.BYTES);
        }
    }

    @Override
    public long identity() {
        return ring;
    }

    @Override
    public long firstPosition() {
        return firstPosition;
    }

    @Override
    public long firstSequence() {
        return firstSequence;
    }

    @Override
    public boolean outlivesProcess() {
        return settings.keep();
    }

    /** Also of a device that is gone; of one that is closed, what it said last. */
    @Override
    public DeviceCounts counts() {
        synchronized (counting) {
            if (!closed && control(fd, Constants.SLUICE_COUNTS, answer) == 0) {
                counts = read(answer);
            }
            return counts;
        }
    }

    private DeviceCounts read(MemorySegment said) {
        return new DeviceCounts(
                SluiceCounts.free(said),
                SluiceCounts.armed(said),
                SluiceCounts.filled(said),
                SluiceCounts.lent(said),
                SluiceCounts.quarantined(said),
                SluiceCounts.frames(said),
                SluiceCounts.bytes(said),
                SluiceCounts.lost(said),
                tellsLoss,
                SluiceCounts.starved(said),
                SluiceCounts.quarantines(said),
                SluiceCounts.errors(said));
    }

    @Override
    public void close() {
        synchronized (counting) {
            if (!closed) {
                closed = true;
                stop();
                mapping.close();
                Libc.close(fd);
            }
        }
    }

    /** An ioctl, again when a signal interrupted it. */
    private static int control(int fd, int request, MemorySegment argument) {
        int result;
        do {
            result = Libc.ioctl(fd, request, argument);
        } while (result == -Constants.EINTR);
        return result;
    }
}
