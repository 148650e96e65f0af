// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LibcTest {

    private static final int NO_FD = -1;

    @TempDir
    private Path folder;

    @Test
    void aBadDescriptorIsEbadf() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(128, 8);
            assertThat(new long[] {
                        Libc.read(NO_FD, memory, 1),
                        Libc.write(NO_FD, memory, 1),
                        Libc.close(NO_FD),
                        Libc.ioctl(NO_FD, Constants.SIOCOUTQ, memory),
                        Libc.epollCtl(NO_FD, Constants.EPOLL_CTL_DEL, 0, memory),
                        Libc.epollWait(NO_FD, memory, 1, 0),
                        Libc.ftruncate(NO_FD, 1),
                        Libc.mmap(4096, Constants.PROT_READ, Constants.MAP_SHARED, NO_FD, 0),
                        Libc.bind(NO_FD, memory),
                        Libc.connect(NO_FD, memory),
                        Libc.listen(NO_FD, 1),
                        Libc.accept(NO_FD, 0),
                        Libc.shutdown(NO_FD, Constants.SHUT_WR),
                        Libc.getsockname(NO_FD, memory, memory),
                        Libc.getsockopt(NO_FD, Constants.SOL_SOCKET, Constants.SO_ERROR),
                        Libc.setsockopt(NO_FD, Constants.SOL_SOCKET, Constants.SO_SNDBUF, 4096),
                        Libc.sendmsg(NO_FD, memory, 0),
                        Libc.recvmsg(NO_FD, memory, 0)
                    })
                    .containsOnly(-Constants.EBADF);
        }
    }

    @Test
    void eachCallHasItsOwnErrno() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "x");
        int opened = Libc.open(file, Constants.O_RDONLY | Constants.O_CLOEXEC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(8);
            assertThat(Libc.open(folder.resolve("none"), Constants.O_RDONLY)).isEqualTo(-Constants.ENOENT);
            assertThat(Libc.read(opened, memory, 8)).isEqualTo(1);
            assertThat(memory.get(JAVA_BYTE, 0)).isEqualTo((byte) 'x');
            assertThat(Libc.read(opened, memory, 8)).isZero();
            assertThat(Libc.ioctl(opened, 0, memory)).isEqualTo(-Constants.ENOTTY);
        } finally {
            assertThat(Libc.close(opened)).isZero();
        }
    }

    @Test
    void pollOfABadDescriptorIsNotSilence() {
        assertThat(Libc.poll(Integer.MAX_VALUE, Constants.POLLIN, 0)).isPositive();
    }

    @Test
    void anEventFdIsReadableFromSignalToClear() throws Exception {
        try (EventFd event = new EventFd()) {
            assertThat(Libc.poll(event.fd(), Constants.POLLIN, 0)).isZero();
            event.signal();
            event.signal();
            assertThat(Libc.poll(event.fd(), Constants.POLLIN, 0)).isEqualTo(Constants.POLLIN);
            event.clear();
            assertThat(Libc.poll(event.fd(), Constants.POLLIN, 0)).isZero();
            event.clear();
            assertThat(Libc.poll(event.fd(), Constants.POLLIN, 0)).isZero();
        }
    }

    @Test
    void aOneShotEventIsReportedOnceUntilItIsAskedForAgain() throws Exception {
        long data = 0x1234_5678_9abc_def0L;
        int interest = Constants.EPOLLIN | Constants.EPOLLONESHOT;
        try (Epoll epoll = new Epoll();
                EventFd event = new EventFd()) {
            epoll.add(event.fd(), interest, data);
            assertThat(epoll.await(0)).isZero();
            event.signal();
            assertThat(epoll.await(-1)).isEqualTo(1);
            assertThat(epoll.events(0)).isEqualTo(Constants.EPOLLIN);
            assertThat(epoll.data(0)).isEqualTo(data);
            assertThat(epoll.await(0)).isZero();

            epoll.modify(event.fd(), interest, -data);
            assertThat(epoll.await(-1)).isEqualTo(1);
            assertThat(epoll.data(0)).isEqualTo(-data);

            epoll.modify(event.fd(), interest, data);
            epoll.remove(event.fd());
            assertThat(epoll.await(0)).isZero();
        }
    }

    @Test
    void eachOfSeveralEpollEventsHasItsOwnData() throws Exception {
        try (Epoll epoll = new Epoll();
                EventFd one = new EventFd();
                EventFd other = new EventFd()) {
            epoll.add(one.fd(), Constants.EPOLLIN, 1L << 40);
            epoll.add(other.fd(), Constants.EPOLLIN, 1L << 41);
            one.signal();
            other.signal();
            assertThat(epoll.await(-1)).isEqualTo(2);
            assertThat(new long[] {epoll.data(0), epoll.data(1)}).containsExactlyInAnyOrder(1L << 40, 1L << 41);
        }
    }

    @Test
    void epollSaysWhichStepFailed() throws Exception {
        try (Epoll epoll = new Epoll()) {
            assertThatThrownBy(() -> epoll.add(NO_FD, 0, 0)).hasMessage("epoll_ctl(ADD): Bad file descriptor (EBADF)");
            assertThatThrownBy(() -> epoll.modify(NO_FD, 0, 0))
                    .hasMessage("epoll_ctl(MOD): Bad file descriptor (EBADF)");
            assertThatThrownBy(() -> epoll.remove(NO_FD)).hasMessage("epoll_ctl(DEL): Bad file descriptor (EBADF)");
        }
    }

    @Test
    void anonymousMemoryIsZeroedAndWritable() throws Exception {
        long bytes = 3 * 4096;
        try (SharedMemory memory = SharedMemory.anonymous("test", bytes)) {
            assertThat(memory.segment().byteSize()).isEqualTo(bytes);
            assertThat(memory.segment().toArray(JAVA_LONG)).containsOnly(0);
            memory.segment().set(JAVA_LONG, bytes - 8, 7);
            assertThat(memory.segment().get(JAVA_LONG, bytes - 8)).isEqualTo(7);
        }
    }

    @Test
    void aMappedFileShowsWhatTheFileHolds() throws Exception {
        Path file = Files.write(folder.resolve("file"), new byte[] {1, 2, 3});
        try (SharedMemory memory = SharedMemory.file(file, 3)) {
            assertThat(memory.segment().toArray(JAVA_BYTE)).containsExactly(1, 2, 3);
            Files.write(file, new byte[] {4, 5, 6});
            assertThat(memory.segment().toArray(JAVA_BYTE)).containsExactly(4, 5, 6);
        }
    }

    @Test
    void memoryIsUnmappedOnce() throws Exception {
        SharedMemory memory = SharedMemory.anonymous("test", 4096);
        memory.close();
        memory.close();
        assertThat(Files.readString(Path.of("/proc/self/maps"))).doesNotContain("memfd:test ");
    }

    @Test
    void memoryThatCannotBeMappedSaysWhatAndWhy() throws Exception {
        Path none = folder.resolve("none");
        assertThatThrownBy(() -> SharedMemory.file(none, 1))
                .hasMessage("open " + none + ": No such file or directory (ENOENT)");
        assertThatThrownBy(() -> SharedMemory.file(folder, 1))
                .hasMessage("mmap " + folder + ": No such device (ENODEV)");
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThatThrownBy(() -> SharedMemory.file(empty, 0))
                .hasMessage("mmap " + empty + ": Invalid argument (EINVAL)");
        assertThatThrownBy(() -> SharedMemory.anonymous("test", -1))
                .hasMessage("memfd of -1 bytes: Invalid argument (EINVAL)");
    }

    @Test
    void anExceptionHasTheKernelsWordsAndTheName() {
        assertThat(new LinuxException("connect to x", Constants.ECONNREFUSED))
                .hasMessage("connect to x: Connection refused (ECONNREFUSED)")
                .extracting(LinuxException::errno, InstanceOfAssertFactories.INTEGER)
                .isEqualTo(Constants.ECONNREFUSED);
        assertThat(LinuxException.describe(9999)).isEqualTo("Unknown error 9999 (errno 9999)");
    }

    @Test
    void everyErrnoOfTheConstantsIsToldByName() throws Exception {
        Map<String, String> nameless = new TreeMap<>();
        for (Field constant : Constants.class.getFields()) {
            String name = constant.getName();
            String text = LinuxException.describe(constant.getInt(null));
            if (isErrno(name) && !text.endsWith("(" + name + ")")) {
                nameless.put(name, text);
            }
        }
        assertThat(nameless).isEmpty();
    }

    private static boolean isErrno(String constant) {
        return constant.startsWith("E") && !constant.startsWith("EPOLL") && !constant.startsWith("EFD");
    }

    @Test
    void checkPassesResultsOnAndThrowsErrnos() throws IOException {
        assertThat(LinuxException.check(0, "x")).isZero();
        assertThat(LinuxException.check(7, "x")).isEqualTo(7);
        assertThatThrownBy(() -> LinuxException.check(-Constants.EPERM, "x"))
                .isInstanceOf(LinuxException.class)
                .hasMessage("x: Operation not permitted (EPERM)");
    }
}
