// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Jars in the plugins folder that do what they must not: each is one sentence, and the good one beside them works. */
final class PluginsTest {

    private static final String SERVICE = "META-INF/services/dev.sluice.filter.FilterFactory";
    private static final String GOOD = "good { type = good, from = a, length = 8 }";

    @TempDir
    private Path folder;

    @BeforeEach
    void addTheGoodOne() throws IOException {
        Files.createDirectory(folder.resolve("plugins"));
        jar("good.jar", "Good", "public Good() {}", "\"good\"", "settings.count(\"length\", 1, 9); return makes(8);")
                .write(plugin("good.jar"));
    }

    private Path plugin(String jar) {
        return folder.resolve("plugins").resolve(jar);
    }

    /** A jar with one factory, given its constructor, type and what it does with settings. */
    private PluginJar jar(String jar, String name, String constructor, String type, String configure)
            throws IOException {
        String source = """
                import dev.sluice.filter.*;
                import java.util.function.Supplier;
                public class %1$s implements FilterFactory {
                    %2$s
                    @Override public String type() { return %3$s; }
                    static String fails() { throw new IllegalStateException("no\\nlicence"); }
                    static Supplier<Filter> deeper() { return deeper(); }
                    static Supplier<Filter> makes(long length) { return () -> (frame, kept) -> kept.keep(0, length); }
                    @Override public Supplier<Filter> configure(Settings settings) { %4$s }
                }
                class Needed%1$s {}
                """.formatted(name, constructor, type, configure);
        return new PluginJar()
                .compile(Map.of(name + ".java", source))
                .with(SERVICE, "# of " + jar + "\n" + name + "\n");
    }

    private PluginJar bad(String constructor, String type, String configure) throws IOException {
        return jar("bad.jar", "Bad", constructor, type, configure);
    }

    private List<String> problems(String plugins, String filters) throws IOException {
        Path file = Files.writeString(folder.resolve("a.conf"), """
                sluice {
                  plugins = "%s"
                  sources { a { type = simulated } }
                  filters { %s }
                  sinks { out { type = discard, from = good } }
                }
                """.formatted(plugins, filters));
        return switch (TopologyReader.read(file)) {
            case TopologyReader.Valid valid -> List.of();
            case TopologyReader.Invalid invalid -> {
                assertThat(invalid.problems())
                        .allSatisfy(problem -> assertThat(problem.text()).doesNotContain("\n"));
                yield invalid.problems().stream()
                        .map(problem ->
                                problem.toString().replace(file + ":", "").replace(folder.toString(), "FOLDER"))
                        .toList();
            }
        };
    }

    private void assertProblem(String problem) throws IOException {
        assertThat(problems(folder.resolve("plugins").toString(), GOOD))
                .containsExactly("2:3: sluice.plugins " + problem);
    }

    @Test
    void aGoodOneWorks() throws Exception {
        assertThat(problems(folder.resolve("plugins").toString(), GOOD)).isEmpty();
        assertThat(problems(folder.resolve("plugins").toString(), GOOD.replace("8", "10")))
                .containsExactly("4:43: filters.good.length is 10; it must be from 1 to 9");
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(
            quoteCharacter = '`',
            delimiter = '|',
            value = {
                "public Bad() { fails(); } | `\"bad\"` | whose Bad failed in its constructor: java.lang.IllegalStateException: no licence",
                "public Bad() { deeper(); } | `\"bad\"` | whose Bad failed in its constructor: java.lang.StackOverflowError",
                "Bad() {} | `\"bad\"` | whose Bad must be a public class with a public constructor without arguments",
                "static int x = fails().length(); | `\"bad\"` | whose Bad cannot be loaded: java.lang.ExceptionInInitializerError: add what it needs to the folder",
                "public Bad() {} | null | whose Bad has no type: make it return the word that selects it",
                "public Bad() {} | `\" \"` | whose Bad has no type: make it return the word that selects it",
                "public Bad() {} | fails() | whose Bad failed to say its type: java.lang.IllegalStateException: no licence",
                "public Bad() {} | `\"good\"` | `whose Bad has the type \"good\", which Good of good.jar has already: rename one, or take it away`",
                "public Bad() {} | `\"window\"` | `whose Bad has the type \"window\", which dev.sluice.filter.Window$Factory has already: rename one, or take it away`",
            })
    void saysWhyAFactoryIsNone(String constructor, String type, String problem) throws Exception {
        // In the order of their names: good.jar has its type first.
        bad(constructor, type, "return null;").write(plugin("late.jar"));

        assertProblem("has late.jar, " + problem);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "return null; | returned null from configure",
                "fails(); return null; | failed to read its settings: java.lang.IllegalStateException: no licence",
                "return deeper(); | failed to read its settings: java.lang.StackOverflowError",
                "throw new AssertionError(1); | failed to read its settings: java.lang.AssertionError: 1",
            })
    void saysThatAFactoryFailsOnItsNode(String configure, String problem) throws Exception {
        bad("public Bad() {}", "\"bad\"", configure).write(plugin("bad.jar"));

        String filters = GOOD + ", b { type = bad, from = good, length = 1 }";
        assertThat(problems(folder.resolve("plugins").toString(), filters))
                .contains("4:68: filters.b.type is \"bad\", " + "whose factory Bad of bad.jar " + problem)
                .noneMatch(other -> other.contains("length"));
    }

    @Test
    void namesTheClassThatAJarLacks() throws Exception {
        bad("NeededBad needed = new NeededBad();", "\"bad\"", "return null;")
                .without("NeededBad.class")
                .write(plugin("bad.jar"));

        assertProblem("has bad.jar, whose Bad failed in its constructor: java.lang.NoClassDefFoundError: NeededBad");
    }

    @Test
    void saysThatAServicesFileNamesNoClass() throws Exception {
        bad("", "\"bad\"", "return null;")
                .with(SERVICE, "No Class; at all\nGone\n")
                .write(plugin("bad.jar"));

        assertThat(problems(folder.resolve("plugins").toString(), GOOD))
                .containsExactly(
                        "2:3: sluice.plugins has bad.jar, whose " + SERVICE
                                + " names \"No Class; at all\", which is no class in it: correct the name",
                        "2:3: sluice.plugins has bad.jar, whose " + SERVICE
                                + " names \"Gone\", which is no class in it: correct the name");
    }

    @Test
    void saysThatAClassIsNoFactory() throws Exception {
        bad("", "\"bad\"", "return null;").with(SERVICE, "NeededBad").write(plugin("bad.jar"));

        assertProblem("has bad.jar, whose " + SERVICE + " names NeededBad, which does not implement FilterFactory");
    }

    @Test
    void saysThatAClassFileIsBroken() throws Exception {
        bad("", "\"bad\"", "return null;").with("Bad.class", "not bytecode").write(plugin("bad.jar"));

        assertThat(problems(folder.resolve("plugins").toString(), GOOD))
                .singleElement()
                .asString()
                .startsWith("2:3: sluice.plugins has bad.jar, whose Bad cannot be loaded: java.lang.ClassFormatError");
    }

    @Test
    void saysThatAJarIsNone() throws Exception {
        Files.writeString(plugin("bad.jar"), "<html>404</html>");

        assertThat(problems(folder.resolve("plugins").toString(), GOOD))
                .singleElement()
                .asString()
                .startsWith("2:3: sluice.plugins has bad.jar, which cannot be read as a jar (")
                .endsWith("): build it anew, or take it away");
    }

    @Test
    void saysWhereTheDefaultsOfAJarAreWrong() throws Exception {
        bad("", "\"bad\"", "return makes(1);")
                .with("reference.conf", "# mine\nsluice.defaults.filters.bad { a = [ }\n")
                .write(plugin("bad.jar"));

        assertThat(problems(folder.resolve("plugins").toString(), GOOD))
                .singleElement()
                .asString()
                .startsWith("2:3: sluice.plugins has bad.jar, whose reference.conf cannot be read: correct "
                        + "reference.conf: 2: ");
    }

    @Test
    void takesEachJarsDefaults() throws Exception {
        jar("more.jar", "More", "", "\"more\"", "return makes(settings.count(\"bytes\", 1, 3));")
                .with("reference.conf", "sluice.defaults.filters { more { bytes = 4 }, window = 5 }")
                .write(plugin("more.jar"));

        assertThat(problems(folder.resolve("plugins").toString(), GOOD + ", b { type = more, from = good }"))
                .anySatisfy(
                        problem -> assertThat(problem).isEqualTo("4:57: filters.b.bytes is 4; it must be from 1 to 3"));
    }

    @Test
    void saysThatTheFolderIsNone() throws Exception {
        Files.writeString(folder.resolve("file"), "");
        for (String name : List.of("gone", "file")) {
            assertThat(problems(
                            folder.resolve(name).toString(), "good { type = window, from = a, length = 1, every = 8 }"))
                    .containsExactly("2:3: sluice.plugins is \"FOLDER/" + name + "\", which is not a folder (FOLDER/"
                            + name + "): name the one with your jars, or leave it out");
        }
    }

    @Test
    void readsAJarAnewThatWasReplaced() throws Exception {
        jar("good.jar", "Good", "", "\"good\"", "settings.count(\"length\", 1, 7); return makes(8);")
                .write(plugin("next"));
        assertThat(problems(folder.resolve("plugins").toString(), GOOD)).isEmpty();
        Files.move(plugin("next"), plugin("good.jar"), java.nio.file.StandardCopyOption.REPLACE_EXISTING);

        assertThat(problems(folder.resolve("plugins").toString(), GOOD))
                .containsExactly("4:43: filters.good.length is 8; it must be from 1 to 7");
    }
}
