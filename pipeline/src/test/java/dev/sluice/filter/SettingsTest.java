// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class SettingsTest {

    private final Problems problems = new Problems();

    private Settings settings(String given) {
        return settings(given, "");
    }

    private Settings settings(String given, String defaults) {
        return new Settings(
                "sinks.daq",
                ConfigFactory.parseString(given).root(),
                ConfigFactory.parseString(defaults).root(),
                problems);
    }

    private List<String> texts() {
        return problems.sorted().stream().map(Problems.Problem::text).toList();
    }

    @ParameterizedTest
    @CsvSource({"4096, 4096", "4KiB, 4096", "4kB, 4000", "1MiB, 1048576", "1 GB, 1000000000", "0, 0", "7b, 7"})
    void aSizeIsInBytes(String written, long bytes) {
        assertThat(settings("v = " + written).bytes("v", 0)).isEqualTo(bytes);
        assertThat(texts()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"-1", "-4KiB", "99999999999999999999", "9999999TiB", "many", "4 KiBs", "true", "[1]", "{a:1}"})
    void whatIsNoSizeIsAProblemAndReadsAsTheLeast(String written) {
        assertThat(settings("v = " + written).bytes("v", 5)).isEqualTo(5);
        assertThat(texts()).hasSize(1).first().asString().startsWith("sinks.daq.v is ");
    }

    /** Half a surrogate pair, which Typesafe Config looks for the other half of, before the text. */
    @Test
    void halfACharacterIsAProblemToo() {
        assertThat(settings("v = \"\\udc00\"").bytes("v", 5)).isEqualTo(5);
        assertThat(settings("v = \"\\udc00\"").duration("v", Duration.ofSeconds(1)))
                .isEqualTo(Duration.ofSeconds(1));
        assertThat(texts())
                .hasSize(2)
                .allSatisfy(text -> assertThat(text).startsWith("sinks.daq.v is \"\\udc00\", which is not a "));
    }

    @Test
    void aSizeOutOfRangeIsAProblemThatNamesTheRange() {
        assertThat(settings("v = 4").bytes("v", 5)).isEqualTo(5);
        assertThat(settings("v = 11").bytes("v", 5, 10)).isEqualTo(5);
        assertThat(texts())
                .containsExactly(
                        "sinks.daq.v is 4; it must be at least 5", "sinks.daq.v is 11; it must be from 5 to 10");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.5", "1e30", "99999999999999999999", "four", "4KiB", "true", "\"\""})
    void whatIsNoWholeNumberIsAProblem(String written) {
        assertThat(settings("v = " + written).count("v", 2, 9)).isEqualTo(2);
        assertThat(texts())
                .hasSize(1)
                .first()
                .asString()
                .startsWith("sinks.daq.v is ")
                .endsWith(", which is not a whole number");
    }

    @Test
    void aWholeNumberMayBeWrittenInAnyWay() {
        assertThat(settings("v = 7").count("v", 0, 9)).isEqualTo(7);
        assertThat(settings("v = \"7\"").count("v", 0, 9)).isEqualTo(7);
        assertThat(settings("v = 2e3").count("v", 0, 9000)).isEqualTo(2000);
        assertThat(settings("v = -9223372036854775808").count("v", Long.MIN_VALUE, 0))
                .isEqualTo(Long.MIN_VALUE);
        assertThat(texts()).isEmpty();
    }

    @Test
    void aNumberMustBeInItsRange() {
        assertThat(settings("v = 0.25").number("v", 0, 1)).isEqualTo(0.25);
        assertThat(texts()).isEmpty();
        settings("v = 1.5").number("v", 0, 1);
        settings("v = NaN").number("v", 0, 1);
        settings("v = much").number("v", 0, 1);
        assertThat(texts())
                .containsExactly(
                        "sinks.daq.v is 1.5; it must be from 0.0 to 1.0",
                        "sinks.daq.v is NaN; it must be from 0.0 to 1.0",
                        "sinks.daq.v is \"much\", which is not a number");
    }

    @ParameterizedTest
    @CsvSource({"200ms, 200", "5s, 5000", "1 minute, 60000", "7, 7", "0, 0"})
    void aLengthOfTimeHasAUnit(String written, long millis) {
        assertThat(settings("v = " + written).duration("v", Duration.ZERO)).hasMillis(millis);
        assertThat(texts()).isEmpty();
    }

    @Test
    void aLengthOfTimeMustBeLongEnough() {
        settings("v = 5ms").duration("v", Duration.ofMillis(6));
        settings("v = -1s").duration("v", Duration.ZERO);
        settings("v = soon").duration("v", Duration.ZERO);
        assertThat(texts())
                .containsExactly(
                        "sinks.daq.v is 5 ms; it must be at least 6 ms",
                        "sinks.daq.v is -1000 ms; it must be at least 0 ms",
                        "sinks.daq.v is \"soon\", which is not a length of time such as 200ms or 5s");
    }

    @ParameterizedTest
    @CsvSource({"true, true", "no, false", "on, true"})
    void aFlagIsTrueOrFalse(String written, boolean value) {
        assertThat(settings("v = " + written).flag("v")).isEqualTo(value);
        assertThat(texts()).isEmpty();
    }

    @Test
    void anythingElseIsNoFlag() {
        settings("v = 3").flag("v");
        assertThat(texts()).containsExactly("sinks.daq.v is 3, which is not true or false");
    }

    @Test
    void aTextMustNotBeBlank() {
        assertThat(settings("v = some text").text("v")).isEqualTo("some text");
        assertThat(texts()).isEmpty();
        settings("v = \" \"").text("v");
        settings("v = [a]").text("v");
        assertThat(texts()).containsExactly("sinks.daq.v is empty", "sinks.daq.v is [\"a\"], which is not text");
    }

    @Test
    void aChoiceIsOneOfTheWords() {
        assertThat(settings("v = nanoseconds").choice("v", TimeUnit.class)).isEqualTo(TimeUnit.NANOSECONDS);
        assertThat(texts()).isEmpty();
        settings("v = hour").choice("v", TimeUnit.class);
        settings("v = HOURS").choice("v", TimeUnit.class);
        assertThat(texts())
                .hasSize(2)
                .allMatch(text -> text.contains("write one of nanoseconds, microseconds, "))
                .first()
                .asString()
                .startsWith("sinks.daq.v is \"hour\"")
                .endsWith("(did you mean \"hours\"?)");
    }

    @Test
    void theDefaultIsForWhatIsNotWrittenOrNull() {
        assertThat(settings("", "v = 3").count("v", 0, 9)).isEqualTo(3);
        assertThat(settings("v = null", "v = 3").count("v", 0, 9)).isEqualTo(3);
        assertThat(settings("v = 4", "v = 3").count("v", 0, 9)).isEqualTo(4);
        assertThat(texts()).isEmpty();
    }

    @Test
    void aKeyWithoutADefaultMustBeWritten() {
        assertThat(settings("").text("v")).isEqualTo(Settings.MISSING);
        settings("v = null").bytes("w", 1);
        assertThat(texts())
                .containsExactly(
                        "sinks.daq has no v; write v = text",
                        "sinks.daq has no w; write w = a size such as 4096, 4KiB or 1MB");
    }

    @Test
    void aKeyThatNobodyAskedForIsAProblemWithASuggestion() {
        Settings settings = settings("framin = raw, port = 1, sub { a = 1 }", "framing = sluice");
        settings.text("framing");
        settings.section("sub");
        settings.finish();
        assertThat(texts())
                .containsExactlyInAnyOrder(
                        "sinks.daq.framin is not a setting here; known are framing, sub (did you mean \"framing\"?)",
                        "sinks.daq.port is not a setting here; known are framing, sub");
    }

    @Test
    void aProblemIsWhereTheKeyStandsOrElseTheNode() {
        Settings settings = settings("\n\nv = many\n");
        settings.bytes("v", 0);
        settings.problem("w", "is missing");
        assertThat(problems.sorted()).extracting(Problems.Problem::line).containsExactly(1, 3);
    }

    private List<String> placed(String text, Consumer<Settings> reader) {
        problems.source("the demo", text);
        ConfigObject given = ConfigFactory.parseString(
                        text, ConfigParseOptions.defaults().setOriginDescription("the demo"))
                .getObject("sinks.daq");
        reader.accept(new Settings("sinks.daq", given, ConfigFactory.empty().root(), problems));
        return problems.sorted().stream()
                .map(problem -> problem.line() + ":" + problem.column())
                .toList();
    }

    @Test
    void aProblemPointsAtTheKeyOfItsOwnNode() {
        assertThat(placed("sinks { a { v = 1 }, daq { v = 1 } }", settings -> settings.bytes("v", 5)))
                .containsExactly("1:28");
    }

    @Test
    void aMisspeltWordIsPointedAt() {
        assertThat(placed("sinks.daq {\n  v = hour # hour\n}", settings -> settings.choice("v", TimeUnit.class)))
                .containsExactly("2:7");
    }

    @Test
    void aKeyThatIsMissingIsAProblemOfTheNodesName() {
        assertThat(placed("x = 1\nsinks { daq { w = 1 } }", settings -> {
                    settings.text("v");
                    settings.problem("u", "is missing");
                    settings.problem("u", "x", "is misspelt");
                }))
                .containsExactly("2:9", "2:9", "2:9");
    }

    @Test
    void aKeyThatNobodyAskedForIsPointedAt() {
        assertThat(placed("sinks.daq {\n  v = 1\n  \"framin\" = v\n}", settings -> {
                    settings.bytes("v", 0);
                    settings.finish();
                }))
                .containsExactly("3:3");
    }

    @Test
    void aFilterOfAUsersOwnCanPointAtAValue() {
        assertThat(placed("sinks.daq.v = [a, b]", settings -> settings.problem("v", "b", "is wrong")))
                .containsExactly("1:19");
    }

    @Test
    void someWholeNumbersAreAListOrOne() {
        assertThat(settings("v = [0, 3, 7]").counts("v", 0, 7)).containsExactly(0L, 3L, 7L);
        assertThat(settings("v = 3").counts("v", 0, 7)).containsExactly(3L);
        assertThat(settings("", "v = [1]").counts("v", 0, 7)).containsExactly(1L);
        assertThat(texts()).isEmpty();
    }

    @Test
    void whatIsNoListOfWholeNumbersIsAProblem() {
        for (String value : List.of("[]", "[0, 8]", "[1.5]", "[[1]]", "many", "{ a = 1 }")) {
            settings("v = " + value).counts("v", 0, 7);
        }
        assertThat(texts())
                .containsExactly(
                        "sinks.daq.v is empty",
                        "sinks.daq.v has 8; each must be from 0 to 7",
                        "sinks.daq.v is [1.5], which is not a whole number or a list of whole numbers",
                        "sinks.daq.v is [[1]], which is not a whole number or a list of whole numbers",
                        "sinks.daq.v is \"many\", which is not a whole number or a list of whole numbers",
                        "sinks.daq.v is {\"a\":1}, which is not a whole number or a list of whole numbers");
    }

    @Test
    void aKeyThatNeedNotBeWrittenIsAskedFor() {
        Settings settings = settings("a = 1, b = null", "c = 1");
        assertThat(settings.has("a")).isTrue();
        assertThat(settings.has("b")).isFalse();
        assertThat(settings.has("c")).as("it has a default").isTrue();
        assertThat(settings.has("d")).isFalse();
        settings.finish();
        assertThat(texts()).isEmpty();
    }

    @Test
    void aSectionHasSettingsOfItsOwn() {
        Settings settings = settings("s { v = 4096, odd = 1 }, other = 5", "s { w = 7 }");
        Settings inner = settings.inner("s");
        assertThat(inner).isNotNull();
        assertThat(inner.bytes("v", 0)).isEqualTo(4096);
        assertThat(inner.count("w", 0, 9)).isEqualTo(7);
        inner.finish();
        assertThat(settings.inner("none")).isNull();
        assertThat(settings.inner("other")).isNull();
        settings.finish();
        assertThat(texts())
                .containsExactlyInAnyOrder(
                        "sinks.daq.s.odd is not a setting here; known are v, w",
                        "sinks.daq.other is no section; write other { … }");
    }
}
