// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** An open file of {@code /dev} or {@code /sys}, and the calls that a {@link DeviceProtocol} makes on it. None blocks. */
public final class DeviceFile implements AutoCloseable {

    private final Path path;
    private final int fd;
    private boolean open = true;

    private DeviceFile(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /** Opens it for reading and writing (man 2 open, O_NONBLOCK). */
    public static DeviceFile open(Path path) throws IOException {
        int flags = Constants.O_RDWR | Constants.O_NONBLOCK | Constants.O_CLOEXEC;
        return new DeviceFile(path, LinuxException.check(Libc.open(path, flags), "open " + path));
    }

    public Path path() {
        return path;
    }

    /** The descriptor, for the reactor to wait on. */
    public int fd() {
        return fd;
    }

    /**
     * Reads into native memory (man 2 read).
     *
     * @return how many bytes; 0 at the end; -1 if there is nothing now
     */
    public long read(MemorySegment into) throws IOException {
        return result(Libc.read(fd, into, into.byteSize()), "read from ");
    }

    /**
     * Writes from native memory (man 2 write).
     *
     * @return how many bytes; -1 if it takes nothing now
     */
    public long write(MemorySegment from) throws IOException {
        return result(Libc.write(fd, from, from.byteSize()), "write to ");
    }

    private long result(long result, String what) throws IOException {
        if (result < 0 && result != -Constants.EAGAIN) {
            throw new LinuxException(what + path, (int) -result);
        }
        return Math.max(result, -1);
    }

    /** A device's own request (man 2 ioctl), with a pointer to native memory or {@link MemorySegment#NULL}. */
    public int control(int request, MemorySegment argument) throws IOException {
        return LinuxException.check(
                Libc.ioctl(fd, request, argument), "request 0x" + Integer.toHexString(request) + " to " + path);
    }

    @Override
    public void close() {
        if (open) {
            open = false;
            Libc.close(fd);
        }
    }
}
